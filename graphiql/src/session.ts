// What the page knows beside what the editor keeps: who runs each tab, and what was answered. Tokens stay in the
// storage of the browser's tab, and go with it.
import { type Answers, type Step, TOUR } from "../tour.js";

interface Kept {
  /** Tokens by the tabs that they were chosen for. */
  tokens: Record<string, string>;
  /** The variables that were filled in, by tab: others are the user's own. */
  filled: Record<string, string>;
  /** The token that was chosen last. */
  last: string;
}

const KEY = "packwright";
const ANSWERS = "packwright:answers";
const NOT_YET = "not known yet";

function read<T extends object>(storage: Storage, key: string, nothing: T): T {
  try {
    return { ...nothing, ...JSON.parse(storage.getItem(key) ?? "{}") };
  } catch {
    return nothing;
  }
}

function write(storage: Storage, key: string, value: unknown) {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing: it is known until the page is left.
  }
}

const kept: Kept = read(sessionStorage, KEY, { tokens: {}, filled: {}, last: "" });
let active = "";
/** Which world of the demo the page is about; empty outside the demo. */
let world = "";
let answers: Answers = {};

const keep = () => write(sessionStorage, KEY, kept);

/** The tab that is looked at. */
export const activeTab = () => active;

export function setActiveTab(tab: string) {
  active = tab;
}

/** Takes up the answers of a world of the demo, and forgets those of another. Says whether it was another. */
export function enterWorld(next: string): boolean {
  const known = read(localStorage, ANSWERS, { world: "", answers: {} as Answers });
  const isAnother = world !== "" && world !== next;
  world = next;
  answers = known.world === next ? known.answers : {};
  return isAnother;
}

/** A tab as the editor knows it. */
export interface Tab {
  id: string;
  title: string;
  query: string | null;
}

/** What a tab's first operation is called. The editor's own title can be that of the tab before, for a moment or for good. */
export const operationOf = ({ query }: Tab): string | undefined => /^\s*(?:query|mutation|subscription)\s+(\w+)/m.exec(query ?? "")?.[1];

/** The step of the demo's tour with this operation. */
export const stepOf = (name: string | null | undefined): Step | undefined => TOUR.find((step) => step.name === name);

/** The token of a tab: the one chosen for it, the one of its step, or the one chosen last. */
export const tokenOf = (tab: string, step: Step | undefined) => kept.tokens[tab] ?? step?.token ?? kept.last;

export function chooseToken(tab: string, token: string) {
  kept.tokens[tab] = token;
  kept.last = token;
  keep();
}

/** Gives a new tab a token, unless it has one. */
export function inheritToken(tab: string, token: string) {
  kept.tokens[tab] ??= token;
  keep();
}

/** Keeps the answer of a step, for the steps after it, also in other windows. Answers to others may hold secrets. */
export function remember(name: string, data: unknown) {
  if (!world || !stepOf(name)) return;
  const known = read(localStorage, ANSWERS, { world: "", answers: {} as Answers });
  answers = { ...(known.world === world && known.answers), ...answers, [name]: data };
  write(localStorage, ANSWERS, { world, answers });
}

function filled(step: Step) {
  const known = read(localStorage, ANSWERS, { world: "", answers: {} as Answers });
  return step.fill?.({ ...(known.world === world && known.answers), ...answers }) ?? {};
}

/** The variables of a step, as text; what isn't known yet says so. */
export function variablesOf(step: Step): string | undefined {
  if (!step.fill) return undefined;
  const values = Object.entries(filled(step)).map(([name, value]) => [name, value ?? NOT_YET]);
  return JSON.stringify(Object.fromEntries(values), null, 2);
}

/** The steps that have to be run before a step's variables are known, by their titles. */
export function missing(step: Step): string[] {
  if (Object.values(filled(step)).every((value) => value !== undefined && value !== null)) return [];
  const needed = TOUR.filter(({ name }) => step.needs?.includes(name));
  const open = needed.filter(({ name }) => answers[name] === undefined);
  // All were run, and have answered something else than the tour expects.
  return (open.length > 0 ? open : needed).map(({ title }) => title);
}

/** Whether a tab's variables are still those that were filled in. */
export const isUntouched = (tab: string, variables: string) => !variables.trim() || variables === kept.filled[tab];

export function rememberFilled(tab: string, variables: string) {
  kept.filled[tab] = variables;
  keep();
}

/** Begins the tour anew: nothing was answered, chosen or filled in. */
export function forgetAll() {
  kept.tokens = {};
  kept.filled = {};
  keep();
  try {
    localStorage.removeItem(ANSWERS);
  } catch {
    // As above.
  }
  answers = {};
}
