// The pane of examples: a document for each operation of the schema. A click opens it in a tab.
import type { GraphiQLPlugin } from "@graphiql/react";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { getOperationAST, Kind, parse, print, type VariableDefinitionNode } from "graphql";
import { useEffect, useState } from "react";
import * as session from "./session";
import { type Example, load, loadExamples, type Settings } from "./settings";

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d="M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6" />
    </svg>
  );
}

/** An example, prepared for display. */
interface Shown {
  kind: string;
  field: string;
  /** The comment of the example: what it is for, and which accounts may send it. */
  about: string;
  senders: string;
  document: string;
}

const ROOTS = [
  ["query", "Queries"],
  ["mutation", "Mutations"],
  ["subscription", "Subscriptions"],
] as const;

function shown({ name, document }: Example): Shown {
  const [kind = "", field = ""] = name.split(".");
  const lines = document.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  const comment = lines.slice(0, end).map((line) => line.slice(1).trim());
  const senders = comment.pop() ?? "";
  return { kind, field, about: comment.join(" "), senders, document: lines.slice(end).join("\n").trim() };
}

/** The required variables of an operation, as JSON with each variable's type in the place of a value. */
export function variablesOf(document: string): string {
  const needed = ({ type, defaultValue }: VariableDefinitionNode) => type.kind === Kind.NON_NULL_TYPE && defaultValue === undefined;
  const definitions = getOperationAST(parse(document))?.variableDefinitions?.filter(needed) ?? [];
  if (definitions.length === 0) return "";
  return JSON.stringify(Object.fromEntries(definitions.map(({ variable, type }) => [variable.name.value, print(type)])), null, 2);
}

function Pane() {
  const [examples, setExamples] = useState<readonly Shown[]>([]);
  const [settings, setSettings] = useState<Settings>({ tokens: [] });
  const [word, setWord] = useState("");
  const [wanted, setWanted] = useState("");
  useEffect(() => {
    Promise.all([loadExamples(), load()]).then(
      ([examples, settings]) => {
        setSettings(settings);
        setExamples(examples.map(shown));
      },
      () => setWord("The examples can't be had: the server can't be reached."),
    );
  }, []);
  const words = wanted.toLowerCase().split(/\s+/);
  const matches = (example: Shown) => {
    const text = `${example.field} ${example.about} ${example.senders}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return (
    <section aria-label="Examples" className="examples">
      <h2>Examples</h2>
      <p>{word || `${examples.length} documents, one for each operation of the schema. Each opens in a tab of its own.`}</p>
      <input type="search" placeholder="Search: release, group, cursor …" aria-label="Search the examples" value={wanted} onChange={(event) => setWanted(event.target.value)} />
      {ROOTS.map(([kind, title]) => {
        const found = examples.filter((example) => example.kind === kind && matches(example));
        return (
          found.length > 0 && (
            <section key={kind} aria-label={title}>
              <h3>{title}</h3>
              <ul>
                {found.map((example) => (
                  <Entry key={example.field} example={example} settings={settings} />
                ))}
              </ul>
            </section>
          )
        );
      })}
    </section>
  );
}

function Entry({ example: { field, about, senders, document }, settings }: { example: Shown; settings: Settings }) {
  const { addTab } = useGraphiQLActions();
  const editors = useGraphiQL((state) => ({ query: state.queryEditor, variables: state.variableEditor }));
  const open = () => {
    addTab();
    editors.query?.setValue(document);
    editors.variables?.setValue(variablesOf(document));
    const token = tokenFor(senders, settings);
    if (token) session.chooseToken(session.activeTab(), token);
  };
  return (
    <li>
      <button type="button" onClick={open}>
        {field}
      </button>
      <small>
        {about} {senders}
      </small>
    </li>
  );
}

/** In the demo, the token of an account that may send the example; `undefined` where the tab's own token will do. */
function tokenFor(senders: string, { tokens }: Settings): string | undefined {
  if (tokens.length === 0) return undefined;
  const isManaged = (secret: string) => !secret.startsWith("demo-publisher");
  const current = session.tokenOf(session.activeTab(), undefined);
  if (senders.includes(" or ")) return undefined;
  const wantsManaged = senders.includes("managed account");
  if (current && isManaged(current) === wantsManaged) return undefined;
  return tokens.find(({ secret }) => isManaged(secret) === wantsManaged)?.secret;
}

export const EXAMPLES: GraphiQLPlugin = { title: "Examples", icon: Icon, content: Pane };

/** Opens the pane by a click on the editor's own button, which also makes room for it. The editor's API doesn't. */
export function showExamples() {
  document.querySelector<HTMLElement>(`.graphiql-sidebar button[aria-label="Show ${EXAMPLES.title}"]`)?.click();
}
