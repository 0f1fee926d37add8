// Sends documents to the server: queries and mutations by POST, subscriptions over graphql-transport-ws.
import { type Client, createClient } from "graphql-ws";
import { canGoOn, cursorOf, goingOnAfter } from "./resuming";
import { GONE, gone, look, reached } from "./world";

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

/** Receives the results of a subscription. */
export interface Sink {
  next(result: Result): void;
  /** Whether the connection is open. It may be lost and come back. */
  connected(is: boolean, why: string): void;
  end(reason: string | null): void;
}

/** The endpoint, relative to the page. A proxy may serve both under a prefix. */
const PATH = new URL("graphql", new URL(location.pathname.replace(/graphiql(\/.*)?$/, ""), location.href)).href;
/** The pauses before each attempt to reconnect, in milliseconds. The last one repeats. */
const PAUSES = [500, 1_000, 2_000, 4_000, 8_000, 15_000];

/** Sends a query or a mutation. If the server can't be reached, the result has an error that says so. */
export async function post(request: Request, token: string, headers: Record<string, unknown> = {}): Promise<Result> {
  const sent = new Headers({ "content-type": "application/json", accept: "application/graphql-response+json, application/json" });
  if (token) sent.set("authorization", `Bearer ${token}`);
  for (const [name, value] of Object.entries(headers)) sent.set(name, String(value));
  let response: Response;
  let text: string;
  try {
    response = await fetch(PATH, { method: "POST", headers: sent, body: JSON.stringify(request) });
    text = await response.text();
  } catch {
    gone();
    return { errors: [{ message: GONE }] };
  }
  reached();
  try {
    return JSON.parse(text);
  } catch {
    const message = `The server, or a proxy before it, answers ${response.status} ${response.statusText} with a text that is no JSON: ${text.slice(0, 300)}`;
    return { errors: [{ message }] };
  }
}

/** A WebSocket connection. Each token needs its own, because a connection belongs to one token. */
interface Line {
  client: Client;
  isOpen: boolean;
  /** Called when the connection opens. */
  waiting: Set<() => void>;
}

const lines = new Map<string, Line>();

function lineOf(token: string): Line {
  const known = lines.get(token);
  if (known) return known;
  const url = new URL(PATH, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const client = createClient({
    url: url.href,
    connectionParams: token ? { Authorization: `Bearer ${token}` } : {},
    // Each subscription reconnects by itself, because it must say after which event to resume.
    retryAttempts: 0,
    on: {
      connected() {
        reached();
        line.isOpen = true;
        for (const opened of line.waiting) opened();
        line.waiting.clear();
      },
      closed() {
        line.isOpen = false;
      },
    },
  });
  const line: Line = { client, isOpen: false, waiting: new Set() };
  lines.set(token, line);
  return line;
}

/** Subscribes. After a lost connection it resumes with the event after the last one. The returned function ends it. */
export function subscribe(request: Request, token: string, sink: Sink): () => void {
  let attempts = 0;
  let pauses = 0;
  let cursor: string | undefined;
  let isOver = false;
  let release = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (why: string | null) => {
    isOver = true;
    sink.end(why);
  };

  function connect() {
    const { query, variables, operationName } = goingOnAfter(request, attempts > 0 ? cursor : undefined);
    const line = lineOf(token);
    const opened = () => {
      pauses = 0;
      sink.connected(true, "");
    };
    if (line.isOpen) opened();
    else line.waiting.add(opened);
    release = line.client.subscribe(
      // The editor passes null for a missing operation name; the protocol expects no field.
      { query, variables: variables ?? {}, ...(operationName && { operationName }) },
      {
        next(result) {
          cursor = cursorOf(result as Result) ?? cursor;
          sink.next(result as Result);
        },
        error(error) {
          line.waiting.delete(opened);
          if (isOver) return;
          if (Array.isArray(error)) {
            sink.next({ errors: error });
            end("refused");
          } else if (isFinal(error)) {
            end(reason(error));
          } else {
            void again(reason(error));
          }
        },
        complete: () => end(null),
      },
    );
  }

  async function again(why: string) {
    sink.connected(false, why);
    attempts += 1;
    const pause = PAUSES[Math.min(pauses++, PAUSES.length - 1)];
    await new Promise((over) => {
      timer = setTimeout(over, pause);
    });
    if (isOver) return;
    // After the demo has started over, the cursor and the ids in the variables belong to a world that is gone.
    if (await look()) end("over: the demo was reset");
    else if (!isOver) connect();
  }

  // Get the log's current end, so that nothing is missed when the connection is lost before the first event.
  if (token && canGoOn(request)) {
    void post({ query: "{ viewer { eventCursor } }" }, token).then(({ data }) => {
      cursor ??= (data?.viewer as { eventCursor?: string } | null)?.eventCursor;
    });
  }
  connect();
  return () => {
    isOver = true;
    clearTimeout(timer);
    release();
  };
}

/** Whether reconnecting is useless, because the server refused what the client sent. */
const isFinal = (error: unknown) => error instanceof CloseEvent && error.code >= 4400 && error.code < 4500 && error.code !== 4408;

function reason(error: unknown): string {
  if (error instanceof CloseEvent) return error.reason ? `closed: ${error.code} ${error.reason}` : "the connection was lost";
  return error instanceof Error ? error.message : "the connection failed";
}
