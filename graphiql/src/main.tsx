import "./workers";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./page.css";

import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { createPortal } from "react-dom";
import { createRoot } from "react-dom/client";
import { Bar } from "./bar";
import { EXAMPLES } from "./examples";
import { fetcher } from "./fetcher";
import { setActiveTab, STEPS } from "./session";
import { load, type Settings } from "./settings";
import { DEMO_STORAGE } from "./storage";
import { SUBSCRIPTIONS } from "./subscriptions";
import { enter } from "./world";

const NEW = "query WhoAmI {\n  viewer {\n    role\n    account {\n      name\n    }\n  }\n}\n";
const PLUGINS = [HISTORY_PLUGIN, EXAMPLES, SUBSCRIPTIONS];

function Page({ settings, bar }: { settings: Settings; bar: Element }) {
  const isDemo = settings.tokens.length > 0;
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={PLUGINS}
      defaultQuery={NEW}
      defaultTabs={isDemo ? STEPS.map(({ query }) => ({ query })) : [{ query: NEW }]}
      defaultEditorToolsVisibility="variables"
      schemaDescription
      showPersistHeadersSettings={false}
      // The demo has a tour. Elsewhere the list of examples shows what the schema offers.
      {...(isDemo ? { storage: DEMO_STORAGE as Storage } : { visiblePlugin: EXAMPLES })}
      onTabChange={({ tabs, activeTabIndex }) => setActiveTab(tabs[activeTabIndex]?.id ?? "")}
    >
      <GraphiQL.Logo>{null}</GraphiQL.Logo>
      {createPortal(<Bar settings={settings} />, bar)}
    </GraphiQL>
  );
}

async function start() {
  const [bar, editor] = ["bar", "editor"].map((id) => document.getElementById(id));
  if (!bar || !editor) throw new Error("The page is not the one that this script was made for.");
  try {
    const settings = await load();
    enter(settings);
    createRoot(editor).render(<Page settings={settings} bar={bar} />);
  } catch (error) {
    editor.textContent = `The editor can't start. ${error instanceof Error ? error.message : ""}`;
  }
}

void start();
