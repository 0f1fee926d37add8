// What the page stores beside the editor: the token of each tab, and the answers of the tour. Tokens are in the session
// storage, which the browser deletes with its tab.
import { type Answers, type Place, type Step, type Tour, TOURS } from "../tour.js";

interface Kept {
  /** The tokens that were chosen, by tab. */
  tokens: Record<string, string>;
  /** The variables that were filled in, by tab. Different ones are the user's own. */
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
    // Without storage, the values last until the page is left.
  }
}

const kept: Kept = read(sessionStorage, KEY, { tokens: {}, filled: {}, last: "" });
let active = "";
/** The demo's world that the page belongs to; empty outside the demo. */
let world = "";
let answers: Answers = {};
/** What the page knows of its server. */
let place: Place = {};

const keep = () => write(sessionStorage, KEY, kept);

/** The tab that the user sees. */
export const activeTab = () => active;

export function setActiveTab(tab: string) {
  active = tab;
}

/** Loads the answers of a world of the demo. Returns whether the page belonged to another world before. */
export function enterWorld(next: string): boolean {
  const known = read(localStorage, ANSWERS, { world: "", answers: {} as Answers });
  const isAnother = world !== "" && world !== next;
  world = next;
  answers = known.world === next ? known.answers : {};
  return isAnother;
}

/** Takes what the tours' variables are made of beside answers. */
export function stayAt(known: Place) {
  place = known;
}

/** A tab of the editor. */
export interface Tab {
  id: string;
  title: string;
  query: string | null;
}

/** The name of a tab's first operation. The editor's own title can be that of the former tab. */
export const operationOf = ({ query }: Tab): string | undefined => /^\s*(?:query|mutation|subscription)\s+(\w+)/m.exec(query ?? "")?.[1];

/** The steps of all tours of the demo. */
export const STEPS = TOURS.flatMap(({ steps }) => steps);

/** The step of the demo's tours with this operation. */
export const stepOf = (name: string | null | undefined): Step | undefined => STEPS.find((step) => step.name === name);

/** The tour that a step belongs to. */
export const tourOf = (step: Step | undefined): Tour | undefined => TOURS.find(({ steps }) => step && steps.includes(step));

/** The token of a tab: the chosen one, else that of its step, else the one that was chosen last. */
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

/**
 * Stores the answer of a tour step, for later steps and other windows. Other answers may hold secrets and aren't
 * stored.
 */
export function remember(name: string, data: unknown) {
  if (!world || !stepOf(name)) return;
  const known = read(localStorage, ANSWERS, { world: "", answers: {} as Answers });
  answers = { ...(known.world === world && known.answers), ...answers, [name]: data };
  write(localStorage, ANSWERS, { world, answers });
}

function filled(step: Step) {
  const known = read(localStorage, ANSWERS, { world: "", answers: {} as Answers });
  return step.fill?.({ ...(known.world === world && known.answers), ...answers }, place) ?? {};
}

/** The variables of a step as text, with a placeholder for unknown values. */
export function variablesOf(step: Step): string | undefined {
  if (!step.fill) return undefined;
  const values = Object.entries(filled(step)).map(([name, value]) => [name, value ?? NOT_YET]);
  return JSON.stringify(Object.fromEntries(values), null, 2);
}

/** The titles of the steps that must run before the variables of `step` are known. */
export function missing(step: Step): string[] {
  if (Object.values(filled(step)).every((value) => value !== undefined && value !== null)) return [];
  const needed = STEPS.filter(({ name }) => step.needs?.includes(name));
  const open = needed.filter(({ name }) => answers[name] === undefined);
  // All of them have run, but their answers weren't what the tour expects.
  return (open.length > 0 ? open : needed).map(({ title }) => title);
}

/** Whether a tab's variables are still the ones that were filled in. */
export const isUntouched = (tab: string, variables: string) => !variables.trim() || variables === kept.filled[tab];

export function rememberFilled(tab: string, variables: string) {
  kept.filled[tab] = variables;
  keep();
}

/** Resets the tour: answers, tokens and variables. */
export function forgetAll() {
  kept.tokens = {};
  kept.filled = {};
  keep();
  try {
    localStorage.removeItem(ANSWERS);
  } catch {
    // Without storage there is nothing to remove.
  }
  answers = {};
}
