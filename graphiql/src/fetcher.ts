// The function that the editor calls to run a document.
import type { Fetcher, FetcherParams } from "@graphiql/toolkit";
import { getOperationAST, parse } from "graphql";
import { TOURS } from "../tour.js";
import * as listening from "./listening";
import { activeTab, remember, stepOf, tokenOf } from "./session";
import { post, type Request } from "./transport";
import { heeded } from "./world";

/** The tab whose existing subscription the next run shows, instead of starting a new one. */
let resuming: string | undefined;
/** Called after each answer. */
let answered = () => {};

export const onAnswer = (call: () => void) => {
  answered = call;
};

/** Makes the next run show the subscription that the tab already has. */
export function resume(tab: string) {
  resuming = tab;
}

export const fetcher: Fetcher = (params, options) => {
  const tab = activeTab();
  const running = resuming === tab ? listening.ofTab(tab) : undefined;
  resuming = undefined;
  if (running) return observable(running);
  const { name, isSubscription } = operationOf(params);
  const token = tokenOf(tab, stepOf(name));
  const request: Request = { query: params.query, variables: params.variables, operationName: name ?? params.operationName ?? null };
  if (isSubscription) return observable(listening.start(tab, name ?? "a subscription", request, token));
  return answer(request, name, token, options?.headers);
};

async function answer(request: Request, name: string | undefined, token: string, headers: Record<string, unknown> | undefined) {
  const result = await post(request, token, headers);
  if (name && result.data) {
    remember(name, result.data);
    if (TOURS.some(({ steps }) => steps[0]?.name === name)) heeded();
  }
  answered();
  return result as never;
}

/** Reads the operation from the text. The name that the editor passes can be out of date. */
function operationOf({ query, operationName }: FetcherParams): { name?: string; isSubscription: boolean } {
  try {
    const document = parse(query);
    const operation = getOperationAST(document, operationName) ?? getOperationAST(document);
    const name = operation?.name?.value;
    return { ...(name && { name }), isSubscription: operation?.operation === "subscription" };
  } catch {
    // The server's error message is better.
    return { isSubscription: false };
  }
}

/** A subscription in the form that the editor expects. It ends when its tab is closed or the user stops it there. */
function observable({ id, tab }: listening.Subscription) {
  return {
    subscribe(observer: { next(result: never): void; complete(): void }) {
      const leave = listening.observe(id, {
        next: (result) => {
          if (activeTab() === tab) observer.next(result as never);
        },
        complete: () => observer.complete(),
      });
      return {
        unsubscribe() {
          leave();
          // The editor also unsubscribes when the user changes tabs, a moment before it reports the change.
          setTimeout(() => {
            if (activeTab() === tab) listening.stop(id);
          });
        },
      };
    },
  } as never;
}
