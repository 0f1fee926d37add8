/** The base of the server's paths. A proxy may serve them under a prefix. */
const BASE = new URL(location.pathname.replace(/graphiql(\/.*)?$/, ""), location.href);

/** A token that is no secret. */
export interface KnownToken {
  name: string;
  secret: string;
}

/** The server's settings for the page. */
export interface Settings {
  /** The demo's tokens; empty outside the demo. */
  tokens: readonly KnownToken[];
  /** The demo's world. It changes when the server restarts or the demo starts over. */
  world?: string;
  /** The address of the demo's receiver of webhooks. */
  receiver?: string;
  /** A notice about the server, if there is one. */
  notice?: string;
}

/** A document that the user can open in a tab. */
export interface Example {
  /** The root and the field, such as `query.viewer`. */
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
