// Checks whether the server is still the one that the page knows. The demo may have started over, and the server may be
// gone.
import { useSyncExternalStore } from "react";
import { enterWorld, stayAt } from "./session";
import { load, type Settings } from "./settings";

export const GONE = `The server at ${location.host} can't be reached. Is it still running? Start it again, then run this again.`;
const BEGUN_ANEW =
  "The demo was reset: its server was restarted, or somebody pressed Start over. What was answered before is gone; run the tour from step 1.";

let word = "";
const readers = new Set<() => void>();

function say(next: string) {
  if (word === next) return;
  word = next;
  for (const reader of readers) reader();
}

/** The message about the server, if there is one. */
export const useWord = () =>
  useSyncExternalStore(
    (reader) => {
      readers.add(reader);
      return () => readers.delete(reader);
    },
    () => word,
  );

/** Shows that the server can't be reached. */
export const gone = () => say(GONE);

/** Called when the server has answered. */
export function reached() {
  if (word === GONE) say("");
}

/** Removes the message about a new world, because the user runs the tour again. */
export const heeded = () => say("");

/** Stores the world in which the page was loaded. */
export function enter(settings: Settings) {
  const { world } = settings;
  stayAt(settings);
  if (world) enterWorld(world);
}

/** Asks the server for its world. Returns whether it differs from the page's; false when the server doesn't answer. */
export async function look(): Promise<boolean> {
  let settings: Settings;
  try {
    settings = await load();
  } catch {
    return false;
  }
  reached();
  if (!settings.world || !enterWorld(settings.world)) return false;
  say(BEGUN_ANEW);
  return true;
}
