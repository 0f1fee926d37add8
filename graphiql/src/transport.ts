// How documents reach the server: queries and mutations by POST, subscriptions over graphql-transport-ws.
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

/** What a subscription tells. */
export interface Sink {
  next(result: Result): void;
  /** Whether the connection is there: it may go and come back. */
  connected(is: boolean, why: string): void;
  end(reason: string | null): void;
}

/** Beside the page, wherever that is: a proxy may serve both under a prefix. */
const PATH = new URL("graphql", new URL(location.pathname.replace(/graphiql(\/.*)?$/, ""), location.href)).href;
/** How long to wait before each further attempt to connect, in milliseconds; the last one again and again. */
const PAUSES = [500, 1_000, 2_000, 4_000, 8_000, 15_000];

/** Sends a query or a mutation. A server that can't be reached is an error in the answer, in words. */
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

/** One connection for each token: a connection is somebody's. */
interface Line {
  client: Client;
  isOpen: boolean;
  /** Called when it opens. */
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
    // Each subscription tries again by itself: it has to say after which event it goes on.
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

/** Subscribes, and goes on after the last event that was heard when the connection was lost. What comes back ends it. */
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
      // The protocol knows no null here, where the editor says so.
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
    // Its cursors, and what its variables name, are those of a world that is no more.
    if (await look()) end("over: the demo has begun anew");
    else if (!isOver) connect();
  }

  // Where the log ends now: what comes after it is not missed either when the connection is lost before the first event.
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

/** Whether another attempt would end alike: the server has closed for what the client has sent. */
const isFinal = (error: unknown) => error instanceof CloseEvent && error.code >= 4400 && error.code < 4500 && error.code !== 4408;

function reason(error: unknown): string {
  if (error instanceof CloseEvent) return error.reason ? `closed: ${error.code} ${error.reason}` : "the connection was lost";
  return error instanceof Error ? error.message : "the connection failed";
}
