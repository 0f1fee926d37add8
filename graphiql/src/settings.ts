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
  /** What is to be known about the server, if there is something. */
  notice?: string;
}

export async function load(): Promise<Settings> {
  const response = await fetch(new URL("graphiql/settings.json", BASE));
  if (!response.ok) throw new Error(`The server answers ${response.status} when asked for its settings.`);
  return response.json();
}
