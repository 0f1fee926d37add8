// How documents reach the server: queries and mutations by POST, subscriptions over graphql-transport-ws.
import { type Client, createClient } from "graphql-ws";

export interface Request {
  query: string;
  operationName?: string | null;
  variables?: Record<string, unknown> | null;
}

export interface Result {
  data?: Record<string, unknown> | null;
  errors?: readonly unknown[];
  extensions?: Record<string, unknown>;
}

/** What a subscription tells. */
export interface Sink {
  next(result: Result): void;
  end(reason: string | null): void;
}

/** Beside the page, wherever that is: a proxy may serve both under a prefix. */
const PATH = new URL("graphql", new URL(location.pathname.replace(/graphiql(\/.*)?$/, ""), location.href)).href;

export async function post(request: Request, token: string, headers: Record<string, unknown> = {}): Promise<Result> {
  const sent = new Headers({ "content-type": "application/json", accept: "application/graphql-response+json, application/json" });
  if (token) sent.set("authorization", `Bearer ${token}`);
  for (const [name, value] of Object.entries(headers)) sent.set(name, String(value));
  const response = await fetch(PATH, { method: "POST", headers: sent, body: JSON.stringify(request) });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${response.status} ${response.statusText}: ${text.slice(0, 300)}`);
  }
}

/** One connection for each token: a connection is somebody's. */
const clients = new Map<string, Client>();

function client(token: string): Client {
  const known = clients.get(token);
  if (known) return known;
  const url = new URL(PATH, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const made = createClient({
    url: url.href,
    connectionParams: token ? { Authorization: `Bearer ${token}` } : {},
  });
  clients.set(token, made);
  return made;
}

/** Subscribes; what comes back ends it. */
export function subscribe(request: Request, token: string, sink: Sink): () => void {
  return client(token).subscribe(
    // The protocol knows no null here, where the editor says so.
    { query: request.query, variables: request.variables ?? {}, ...(request.operationName && { operationName: request.operationName }) },
    {
      next: (result) => sink.next(result as Result),
      error: (error) => {
        if (Array.isArray(error)) sink.next({ errors: error });
        sink.end(Array.isArray(error) ? "refused" : reason(error));
      },
      complete: () => sink.end(null),
    },
  );
}

function reason(error: unknown): string {
  if (error instanceof CloseEvent) return `closed: ${error.code} ${error.reason}`.trim();
  return error instanceof Error ? error.message : "the connection failed";
}
