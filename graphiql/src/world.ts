// Whether the server is still the one that the page knows: the demo begins anew when it is restarted or reset, and a
// server can be gone.
import { useSyncExternalStore } from "react";
import { enterWorld } from "./session";
import { load, type Settings } from "./settings";

export const GONE = `The server at ${location.host} can't be reached. Is it still running? Start it again, then run this again.`;
const BEGUN_ANEW =
  "The demo has begun anew: its server was restarted, or somebody pressed Start over. What was answered before is gone; run the tour from step 1.";

let word = "";
const readers = new Set<() => void>();

function say(next: string) {
  if (word === next) return;
  word = next;
  for (const reader of readers) reader();
}

/** What there is to say about the server, if there is something. */
export const useWord = () =>
  useSyncExternalStore(
    (reader) => {
      readers.add(reader);
      return () => readers.delete(reader);
    },
    () => word,
  );

/** Says that the server can't be reached. */
export const gone = () => say(GONE);

/** Called when the server has answered. */
export function reached() {
  if (word === GONE) say("");
}

/** Takes the word about a new world away: the tour is being run again. */
export const heeded = () => say("");

/** The world that the page was loaded in. */
export function enter({ world }: Settings) {
  if (world) enterWorld(world);
}

/** Asks which world the server is at. Says whether it is another than before; a server that is gone is no answer. */
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
