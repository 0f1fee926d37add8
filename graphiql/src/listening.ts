// The subscriptions. They continue while the user looks at another tab, for example to move the demo's clock.
import { useSyncExternalStore } from "react";
import { remarkOn } from "./resuming";
import { type Request, type Result, subscribe } from "./transport";

export interface Heard {
  at: Date;
  result: Result;
}

export interface Subscription {
  readonly id: number;
  /** The tab that started the subscription. */
  readonly tab: string;
  readonly name: string;
  readonly token: string;
  /** The newest results, newest first. Older ones are dropped. */
  readonly heard: readonly Heard[];
  readonly count: number;
  /** Why the subscription ended; `undefined` while it runs. */
  readonly ended: string | undefined;
  /** Why the connection is interrupted; `undefined` while it isn't. */
  readonly interrupted: string | undefined;
  /** What a past interruption means for the results. */
  readonly remark: string | undefined;
}

/** The observer that the editor passes. */
export interface Observer {
  next(result: Result): void;
  complete(): void;
}

const KEPT = 100;
const ends = new Map<number, () => void>();
const observers = new Map<number, Observer>();
const readers = new Set<() => void>();
let subscriptions: readonly Subscription[] = [];
let last = 0;

/** All subscriptions, including ended ones. */
export const useSubscriptions = () =>
  useSyncExternalStore(
    (reader) => {
      readers.add(reader);
      return () => readers.delete(reader);
    },
    () => subscriptions,
  );

export const ofTab = (tab: string) => subscriptions.find((subscription) => subscription.tab === tab);

function set(next: readonly Subscription[]) {
  subscriptions = next;
  for (const reader of readers) reader();
}

function change(id: number, changed: (subscription: Subscription) => Partial<Subscription>) {
  set(subscriptions.map((each) => (each.id === id ? { ...each, ...changed(each) } : each)));
}

/** Starts a subscription in a tab, and ends the one that the tab had. */
export function start(tab: string, name: string, request: Request, token: string): Subscription {
  const before = ofTab(tab);
  if (before) forget(before.id);
  const started: Subscription = { id: ++last, tab, name, token, heard: [], count: 0, ended: undefined, interrupted: undefined, remark: undefined };
  set([started, ...subscriptions]);
  const { id } = started;
  const end = subscribe(request, token, {
    next(result) {
      change(id, ({ heard, count }) => ({ heard: [{ at: new Date(), result }, ...heard].slice(0, KEPT), count: count + 1 }));
      observers.get(id)?.next(result);
    },
    connected(is, why) {
      if (is) return change(id, ({ interrupted }) => ({ interrupted: undefined, ...(interrupted && { remark: remarkOn(request) }) }));
      change(id, () => ({ interrupted: why, remark: undefined }));
    },
    end(reason) {
      ends.delete(id);
      change(id, ({ ended }) => ({ ended: ended ?? reason ?? "complete" }));
      observers.get(id)?.complete();
    },
  });
  if (ofTab(tab)?.ended === undefined) ends.set(id, end);
  return started;
}

/** Passes the last result and all further ones to an observer. */
export function observe(id: number, observer: Observer): () => void {
  observers.set(id, observer);
  // Only after the caller has got the function to unsubscribe.
  queueMicrotask(() => {
    if (observers.get(id) !== observer) return;
    const subscription = subscriptions.find((each) => each.id === id);
    const latest = subscription?.heard[0];
    if (latest) observer.next(latest.result);
    if (!subscription || subscription.ended !== undefined) observer.complete();
  });
  return () => {
    if (observers.get(id) === observer) observers.delete(id);
  };
}

/** Ends a subscription and keeps its results. */
export function stop(id: number) {
  change(id, ({ ended }) => ({ ended: ended ?? "stopped" }));
  ends.get(id)?.();
  ends.delete(id);
}

/** Ends a subscription and drops its results. */
export function forget(id: number) {
  stop(id);
  observers.delete(id);
  set(subscriptions.filter((subscription) => subscription.id !== id));
}
