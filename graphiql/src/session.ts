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

function read(): Kept {
  const nothing = { tokens: {}, filled: {}, last: "" };
  try {
    return { ...nothing, ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}") };
  } catch {
    return nothing;
  }
}

const kept = read();
const answers: Answers = {};
let active = "";

function keep() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // A browser that keeps nothing: it is known until the page is left.
  }
}

/** The tab that is looked at. */
export const activeTab = () => active;

export function setActiveTab(tab: string) {
  active = tab;
}

/** The step of the demo's story that a tab holds, by its operation's name. */
export const stepOf = (name: string | null | undefined): Step | undefined => TOUR.find((step) => step.name === name);

/** The token of a tab: the one chosen for it, the one of its step, or the one chosen last. */
export const tokenOf = (tab: string, step: Step | undefined) => kept.tokens[tab] ?? step?.token ?? kept.last;

export function chooseToken(tab: string, token: string) {
  kept.tokens[tab] = token;
  kept.last = token;
  keep();
}

export function remember(name: string, data: unknown) {
  answers[name] = data;
}

/** The variables of a step, as text; what isn't known yet says so. */
export function variablesOf(step: Step): string | undefined {
  if (!step.fill) return undefined;
  const values = Object.entries(step.fill(answers)).map(([name, value]) => [name, value ?? "run the tabs before this one"]);
  return JSON.stringify(Object.fromEntries(values), null, 2);
}

/** Whether a tab's variables are still those that were filled in. */
export const isUntouched = (tab: string, variables: string) => !variables.trim() || variables === kept.filled[tab];

export function rememberFilled(tab: string, variables: string) {
  kept.filled[tab] = variables;
  keep();
}
