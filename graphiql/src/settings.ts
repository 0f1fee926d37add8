/** Where the server's paths begin: a proxy may serve them under a prefix. */
const BASE = new URL(location.pathname.replace(/graphiql(\/.*)?$/, ""), location.href);

/** A token that everybody may know. */
export interface KnownToken {
  name: string;
  secret: string;
}

/** What the server tells the page. */
export interface Settings {
  /** The demo's tokens; none elsewhere. */
  tokens: readonly KnownToken[];
  /** In the demo: which world it is at. Another one after a restart, and after it was begun anew. */
  world?: string;
  /** What is to be known about the server, if there is something. */
  notice?: string;
}

/** A document that can be opened in a tab. */
export interface Example {
  /** The field that it asks for, and of which root: `query.viewer`. */
  name: string;
  document: string;
}

async function get<T>(file: string): Promise<T> {
  const response = await fetch(new URL(`graphiql/${file}`, BASE));
  if (!response.ok) throw new Error(`The server answers ${response.status} when asked for ${file}.`);
  return response.json();
}

export const load = () => get<Settings>("settings.json");

export const loadExamples = () => get<readonly Example[]>("operations.json");
