/** What operations answered, by their names. */
export type Answers = Record<string, any>;

/** A tab of the demo's story. */
export interface Step {
  /** The operation's name. */
  name: string;
  title: string;
  /** Who runs it. */
  token: string;
  /** What it shows, in a sentence. */
  about: string;
  query: string;
  /** The steps whose answers the variables are made of, by name. */
  needs?: readonly string[];
  /** The variables, from what was answered before; what isn't known yet is undefined. */
  fill?: (answers: Answers) => Record<string, unknown>;
}

export const TOUR: readonly Step[];
