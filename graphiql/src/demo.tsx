// What the page has in the demo alone: the clock, and the way back to the start.
import { useCallback, useEffect, useState } from "react";
import { onAnswer } from "./fetcher";
import * as session from "./session";
import { forgetTabs } from "./storage";
import { post } from "./transport";
import { look } from "./world";

/** The server's clock: in the demo it is not that of the wall. */
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
    // Whoever comes back to the page is told when the server isn't the one that he left.
    const seen = () => document.visibilityState === "visible" && void look();
    document.addEventListener("visibilitychange", seen);
    addEventListener("focus", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("focus", seen);
    };
  }, [ask]);
  return (
    <time id="clock" title="The demo's clock, in this computer's time zone. Step 8 moves it" dateTime={now?.toISOString()}>
      {now && `Demo clock ${now.toLocaleString()}`}
    </time>
  );
}

/** Begins the demo anew, and this page with it. */
export function StartOver({ token }: { token: string }) {
  const [why, setWhy] = useState("");
  const startOver = async () => {
    if (!confirm("Begin the demo anew? What was done in it goes, and so do this page's tabs. History and theme stay.")) return;
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
