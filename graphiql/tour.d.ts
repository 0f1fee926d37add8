/** The data of the operations that were run, by operation name. */
export type Answers = Record<string, any>;

/** What a page knows of its server. */
export interface Place {
  /** The address of the demo's receiver of webhooks. */
  receiver?: string;
}

/** A step of the demo's tour, shown in a tab. */
export interface Step {
  /** The name of the operation. */
  name: string;
  title: string;
  /** The token that sends it. */
  token: string;
  /** What the step shows, in a sentence. */
  about: string;
  query: string;
  /** The steps from whose answers the variables are taken, by name. */
  needs?: readonly string[];
  /** Computes the variables from earlier answers. Unknown values are undefined. */
  fill?: (answers: Answers, place: Place) => Record<string, unknown>;
}

/** Steps that tell a story together. */
export interface Tour {
  /** The address of a step is made of this and its number. */
  anchor: string;
  title: string;
  steps: readonly Step[];
}

export const TOURS: readonly Tour[];
