// The bar above the editor: the tabs, the token, the open subscriptions, and the demo's clock.
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { type Step, type Tour, TOURS } from "../tour.js";
import { DemoClock, StartOver } from "./demo";
import { showExamples } from "./examples";
import { resume } from "./fetcher";
import * as listening from "./listening";
import * as session from "./session";
import type { Settings } from "./settings";
import { showSubscriptions } from "./subscriptions";
import { TabStrip } from "./tabs";
import { NextTour, TourChoice } from "./tours";
import { useWord } from "./world";

export function Bar({ settings }: { settings: Settings }) {
  const { tabs, index } = useGraphiQL((state) => ({ tabs: state.tabs, index: state.activeTabIndex }));
  const tab = tabs[index];
  const isDemo = settings.tokens.length > 0;
  const step = isDemo && tab ? session.stepOf(session.operationOf(tab)) : undefined;
  const tour = useTour(isDemo, step);
  const word = useWord();
  useWrappedLines();
  useLinkedStep(isDemo);
  if (!tab) return null;
  return (
    <>
      <div id="top">
        <h1>Packwright</h1>
        <div id="strips">
          {tour && <TourChoice tour={tour} />}
          <TabStrip settings={settings} tour={tour} showExamples={showExamples} />
        </div>
      </div>
      <TokenChoice key={tab.id} tab={tab.id} step={step} settings={settings} />
      <Fill key={`fill ${tab.id}`} tab={tab.id} step={step} />
      <Listening tab={tab.id} tabs={tabs.map(({ id }) => id)} />
      {isDemo && <DemoClock token={settings.tokens[0]?.secret ?? ""} />}
      {isDemo && <StartOver token={settings.tokens[0]?.secret ?? ""} />}
      {step && (
        <p>
          {step.about} <NextTour step={step} />
        </p>
      )}
      <p id="word" role="alert">
        {word}
      </p>
      {settings.notice && (
        <p id="notice" role="status">
          {settings.notice}
        </p>
      )}
    </>
  );
}

/** The tour whose tabs are shown: that of the step in view, else the one that was in view before. */
function useTour(isDemo: boolean, step: Step | undefined): Tour | undefined {
  const last = useRef(TOURS[0]);
  const tour = session.tourOf(step) ?? last.current;
  useEffect(() => {
    last.current = tour;
  }, [tour]);
  return isDemo ? tour : undefined;
}

/**
 * Opens the tab of a step when the address is `/graphiql#step-4`, or `/graphiql#stages-4` for the second tour; a new tab
 * if the step's tab was closed.
 */
function useLinkedStep(isDemo: boolean) {
  const { tabs, editor } = useGraphiQL((state) => ({ tabs: state.tabs, editor: state.queryEditor }));
  const { addTab, changeTab } = useGraphiQLActions();
  const [wanted, setWanted] = useState(location.hash);
  useEffect(() => {
    const changed = () => setWanted(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  useEffect(() => {
    const [, anchor, number] = /^#(\w+)-(\d+)$/.exec(wanted) ?? [];
    const step = isDemo ? TOURS.find((tour) => tour.anchor === anchor)?.steps[Number(number) - 1] : undefined;
    if (!step || !editor) return;
    // Remove the fragment, so that the user isn't led back to the step later.
    history.replaceState(null, "", location.pathname + location.search);
    setWanted("");
    const at = tabs.findIndex((tab) => session.operationOf(tab) === step.name);
    if (at >= 0) return changeTab(at);
    addTab();
    session.chooseToken(session.activeTab(), step.token);
    editor.setValue(step.query);
  }, [wanted, isDemo, editor, tabs, addTab, changeTab]);
}

/** Wraps long lines in the editors of documents and variables. */
function useWrappedLines() {
  const editors = useGraphiQL((state) => [state.queryEditor, state.variableEditor]);
  useEffect(() => {
    for (const editor of editors) editor?.updateOptions({ wordWrap: "on" });
  }, [editors]);
}

function TokenChoice({ tab, step, settings }: { tab: string; step: Step | undefined; settings: Settings }) {
  const [token, setToken] = useState(() => session.tokenOf(tab, step));
  const known = settings.tokens.some(({ secret }) => secret === token);
  const choose = (token: string) => {
    session.chooseToken(tab, token);
    setToken(token);
  };
  return (
    <>
      {settings.tokens.length > 0 && (
        <label>
          Token
          <select id="tokens" value={known ? token : ""} onChange={(event) => choose(event.target.value)}>
            {settings.tokens.map(({ name, secret }) => (
              <option key={secret} value={secret}>
                {secret} ({name})
              </option>
            ))}
            <option value="">another, or none</option>
          </select>
        </label>
      )}
      {!known && (
        <input
          id="token"
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="Bearer token"
          aria-label="Bearer token"
          title="Kept until this window is closed"
          value={token}
          onChange={(event) => choose(event.target.value.trim())}
        />
      )}
    </>
  );
}

/** Fills in a step's variables from earlier answers: when its tab is opened, and when the user presses the button. */
function Fill({ tab, step }: { tab: string; step: Step | undefined }) {
  const editor = useGraphiQL((state) => state.variableEditor);
  const [missing, setMissing] = useState<string[]>([]);
  const [wasAsked, setWasAsked] = useState(false);
  // Changes when the demo has started over.
  const word = useWord();
  const fill = useCallback(() => {
    const variables = step && session.variablesOf(step);
    if (!step || !editor || variables === undefined) return;
    editor.setValue(variables);
    session.rememberFilled(tab, variables);
    setMissing(session.missing(step));
  }, [editor, tab, step]);
  useEffect(() => {
    if (editor && session.isUntouched(tab, editor.getValue())) fill();
  }, [editor, tab, fill, word]);
  if (!step?.fill) return null;
  const ask = () => {
    fill();
    setWasAsked(true);
  };
  return (
    <>
      <button type="button" id="fill" onClick={ask} title="From what the steps before this one have answered">
        Fill the variables in
      </button>
      <span id="missing" role="status" data-asked={wasAsked || undefined}>
        {missing.length > 0 && `First run ${list(missing)}: the variables are made of what ${missing.length > 1 ? "they answer" : "it answers"}.`}
        {missing.length === 0 && wasAsked && "The variables are filled in."}
      </span>
    </>
  );
}

const list = (titles: string[]) => titles.map((title) => `“${title}”`).join(" and ");

/** Manages the subscriptions of all tabs, and shows how many are open. */
function Listening({ tab, tabs }: { tab: string; tabs: string[] }) {
  const subscriptions = listening.useSubscriptions();
  const { run, stop } = useGraphiQLActions();
  const { isRunning, isReady } = useGraphiQL((state) => ({
    isRunning: state.subscription !== null,
    isReady: Boolean(state.queryEditor && state.responseEditor),
  }));
  const [shown, setShown] = useState(tab);
  useEffect(() => {
    if (shown === tab || !isReady) return;
    // The editor still regards the former tab's subscription as running.
    if (isRunning) stop();
    setShown(tab);
    if (listening.ofTab(tab)) {
      resume(tab);
      void run();
    }
  }, [shown, tab, isReady, isRunning, run, stop]);
  useEffect(() => {
    for (const { id, tab } of subscriptions) if (!tabs.includes(tab)) listening.forget(id);
  }, [subscriptions, tabs]);
  const open = subscriptions.filter(({ ended }) => ended === undefined).length;
  if (subscriptions.length === 0) return null;
  return (
    <button type="button" id="listening" data-open={open} onClick={showSubscriptions}>
      {open} listening
    </button>
  );
}
