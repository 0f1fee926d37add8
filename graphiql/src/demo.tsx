// Parts of the page that exist only in the demo: the clock, and starting over.
import { useCallback, useEffect, useState } from "react";
import { onAnswer } from "./fetcher";
import * as session from "./session";
import { forgetTabs } from "./storage";
import { post } from "./transport";
import { look } from "./world";

/** The server's clock, which in the demo differs from the real time. */
export function DemoClock({ token }: { token: string }) {
  const [now, setNow] = useState<Date>();
  const ask = useCallback(async () => {
    await look();
    const { data } = await post({ query: "{ serverInfo { now } }" }, token);
    const info = data?.serverInfo as { now: string } | undefined;
    if (info) setNow(new Date(info.now));
  }, [token]);
  useEffect(() => {
    onAnswer(() => void ask());
    void ask();
    // When the user comes back to the page, check whether the demo has started over meanwhile.
    const seen = () => document.visibilityState === "visible" && void look();
    document.addEventListener("visibilitychange", seen);
    addEventListener("focus", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("focus", seen);
    };
  }, [ask]);
  return (
    <time id="clock" title="The demo's clock, in this computer's time zone. Step 8 of the first tour moves it" dateTime={now?.toISOString()}>
      {now && `Demo clock ${now.toLocaleString()}`}
    </time>
  );
}

/** Starts the demo over, and reloads the page. */
export function StartOver({ token }: { token: string }) {
  const [why, setWhy] = useState("");
  const startOver = async () => {
    if (!confirm("Start the demo over? All changes in it are lost, and so are this page's tabs. History and theme stay.")) return;
    const { data, errors } = await post({ query: "mutation StartOver { demoReset { now } }" }, token);
    if (!data?.demoReset) {
      setWhy((errors?.[0] as { message?: string } | undefined)?.message ?? "The demo could not begin anew.");
      return;
    }
    session.forgetAll();
    forgetTabs();
    location.reload();
  };
  return (
    <>
      <button type="button" id="start-over" onClick={() => void startOver()} title="The demo's world and clock as they were at its start">
        Start over
      </button>
      {why && <span role="alert">{why}</span>}
    </>
  );
}
