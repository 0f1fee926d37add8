// The line above the editor: who runs the tab, what it shows, what is being listened to, and the demo's clock.
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useCallback, useEffect, useState } from "react";
import type { Step } from "../tour.js";
import { onAnswer, resume } from "./fetcher";
import * as listening from "./listening";
import * as session from "./session";
import type { Settings } from "./settings";
import { showSubscriptions } from "./subscriptions";
import { post } from "./transport";

export function Bar({ settings }: { settings: Settings }) {
  const { tabs, index } = useGraphiQL((state) => ({ tabs: state.tabs, index: state.activeTabIndex }));
  const tab = tabs[index];
  const step = settings.tokens.length > 0 ? session.stepOf(tab?.title) : undefined;
  useWrappedLines();
  if (!tab) return null;
  return (
    <>
      <h1>Packwright</h1>
      <TokenChoice key={tab.id} tab={tab.id} step={step} settings={settings} />
      <p>{step?.about}</p>
      {settings.notice && (
        <p id="notice" role="status">
          {settings.notice}
        </p>
      )}
      <Fill tab={tab.id} step={step} />
      <Listening tab={tab.id} tabs={tabs.map(({ id }) => id)} />
      {settings.tokens.length > 0 && <DemoClock token={settings.tokens[0]?.secret ?? ""} />}
    </>
  );
}

/** Documents and variables are read without scrolling sideways. */
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

/** Fills the variables in from earlier answers, when the tab is come to and whenever it is asked for. */
function Fill({ tab, step }: { tab: string; step: Step | undefined }) {
  const editor = useGraphiQL((state) => state.variableEditor);
  const fill = useCallback(() => {
    const variables = step && session.variablesOf(step);
    if (!editor || variables === undefined) return;
    editor.setValue(variables);
    session.rememberFilled(tab, variables);
  }, [editor, tab, step]);
  useEffect(() => {
    if (editor && session.isUntouched(tab, editor.getValue())) fill();
  }, [editor, tab, fill]);
  if (!step?.fill) return null;
  return (
    <button type="button" onClick={fill} title="From what the tabs before this one have answered">
      Fill the variables in
    </button>
  );
}

/** Keeps the subscriptions of all tabs, and says how many are open. */
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
    // A new tab leaves the one before it running, as far as the editor knows.
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

/** The server's clock: in the demo it is not that of the wall. */
function DemoClock({ token }: { token: string }) {
  const [now, setNow] = useState<Date>();
  const ask = useCallback(async () => {
    try {
      const { data } = await post({ query: "{ serverInfo { now } }" }, token);
      const info = data?.serverInfo as { now: string } | undefined;
      if (info) setNow(new Date(info.now));
    } catch {
      // The next answer says that the server is gone.
    }
  }, [token]);
  useEffect(() => {
    onAnswer(() => void ask());
    void ask();
  }, [ask]);
  return (
    <time id="clock" title="The server's clock" dateTime={now?.toISOString()}>
      {now && `demo clock ${now.toLocaleString()}`}
    </time>
  );
}
