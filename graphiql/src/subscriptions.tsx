// The pane of all subscriptions with all their results. The editor's response pane shows only the newest one.
import type { GraphiQLPlugin } from "@graphiql/react";
import * as listening from "./listening";

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" aria-hidden="true">
      <circle cx="12" cy="12" r="2" fill="currentColor" />
      <path d="M8.2 15.8a5.4 5.4 0 0 1 0-7.6M15.8 8.2a5.4 5.4 0 0 1 0 7.6M5 19a10 10 0 0 1 0-14M19 5a10 10 0 0 1 0 14" />
    </svg>
  );
}

function Pane() {
  const subscriptions = listening.useSubscriptions();
  return (
    <section aria-label="Subscriptions" className="subscriptions">
      <h2>Subscriptions</h2>
      {subscriptions.length === 0 && <p>None has been started. One that is goes on while you look at other tabs.</p>}
      {subscriptions.map((subscription) => (
        <Entry key={subscription.id} subscription={subscription} />
      ))}
    </section>
  );
}

function Entry({ subscription }: { subscription: listening.Subscription }) {
  const { id, name, ended, interrupted, remark, heard, count } = subscription;
  return (
    <article>
      <h3>
        {name}
        <small>{ended ?? (interrupted ? "interrupted; tries again" : "listens")}</small>
        {ended === undefined ? (
          <button type="button" onClick={() => listening.stop(id)}>
            Stop
          </button>
        ) : (
          <button type="button" onClick={() => listening.forget(id)}>
            Forget
          </button>
        )}
      </h3>
      <p>{count === 1 ? "1 event" : `${count} events`}</p>
      {remark && <p>{remark}</p>}
      <ol>
        {heard.map(({ at, result }, index) => (
          <li key={count - index}>
            <details open={index === 0}>
              <summary>
                {count - index}, at {at.toLocaleTimeString()}
              </summary>
              <pre>{JSON.stringify(result, null, 2)}</pre>
            </details>
          </li>
        ))}
      </ol>
    </article>
  );
}

export const SUBSCRIPTIONS: GraphiQLPlugin = { title: "Subscriptions", icon: Icon, content: Pane };

/** Opens the pane by a click on the editor's own button, which also makes room for it. The editor's API doesn't. */
export function showSubscriptions() {
  document.querySelector<HTMLElement>(`.graphiql-sidebar button[aria-label="Show ${SUBSCRIPTIONS.title}"]`)?.click();
}
