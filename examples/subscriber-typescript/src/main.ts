// Follows the event log and handles each event once and in order. No event is lost when the server or this program
// restarts.

import { setTimeout as pause } from "node:timers/promises";
import { Connection, CursorExpired, Hopeless } from "./connection.js";
import { CursorFile, type Place } from "./cursor-file.js";
import { FollowDocument, type FollowSubscription, StartingPointDocument, StateDocument, type StateQuery } from "./generated.js";

const url = process.env["PACKWRIGHT_URL"] ?? "ws://127.0.0.1:8080/graphql";
const token = process.env["PACKWRIGHT_TOKEN"] ?? "demo-acme-admin";
const file = new CursorFile(process.env["CURSOR_FILE"] ?? "cursor.json");

type Event = FollowSubscription["events"];
type Installation = StateQuery["installations"]["edges"][number]["node"];

/** Handles the state, which replaces everything that was known before. This example only prints it. */
async function take(installations: Installation[]): Promise<void> {
  for (const installation of installations) {
    console.error(`${installation.name} (${installation.state}) has version ${installation.version.number}`);
  }
}

/** Handles an event. This example prints it on a line of the standard output. */
async function handle(event: Event): Promise<void> {
  console.log(JSON.stringify(event));
}

/**
 * Reads the state when there is no cursor, or when the server no longer knows it. Returns the cursor from which to
 * continue.
 */
async function startOver(connection: Connection): Promise<Place> {
  // Read the log's end before the state, so that events in between are repeated and not missed.
  const { viewer } = await connection.ask(StartingPointDocument, {});
  console.error(`reading the state of ${viewer.account.name}`);
  const installations: Installation[] = [];
  let after: string | null = null;
  do {
    const { installations: page }: StateQuery = await connection.ask(StateDocument, { after });
    installations.push(...page.edges.map((edge) => edge.node));
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after !== null);
  await take(installations);
  const place = { cursor: viewer.eventCursor, eventId: null };
  await file.write(place);
  return place;
}

/** The ids of the last events. The server sends each event at least once; repeated ones are dropped. */
const handled = new Set<string>();
const REMEMBERED = 1_000;

function remember(id: string): void {
  handled.add(id);
  for (const oldest of handled) {
    if (handled.size <= REMEMBERED) break;
    handled.delete(oldest);
  }
}

/** The number of failures since the last event was handled. */
let failures = 0;

/** Follows the log on one connection until it ends. */
async function follow(connection: Connection): Promise<void> {
  const { cursor, eventId } = (await file.read()) ?? (await startOver(connection));
  if (eventId !== null) remember(eventId);
  for await (const { events: event } of connection.follow(FollowDocument, { after: cursor })) {
    if (!handled.has(event.id)) {
      await handle(event);
      remember(event.id);
    }
    await file.write({ cursor: event.cursor, eventId: event.id });
    failures = 0;
  }
}

/**
 * The pause before the next attempt. It grows with each failure and is partly random, so that clients don't all return
 * at once.
 */
function nextPause(): number {
  const longest = Math.min(30_000, 250 * 2 ** failures);
  return longest / 2 + (Math.random() * longest) / 2;
}

let connection: Connection | undefined;
const end = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    // The current event is handled and stored before the loop ends.
    end.abort();
    void connection?.close();
  });
}

while (!end.signal.aborted) {
  connection = new Connection(url, token);
  try {
    try {
      await follow(connection);
    } catch (error) {
      if (!(error instanceof CursorExpired)) throw error;
      console.error(error.message);
      await startOver(connection);
      continue;
    }
  } catch (error) {
    if (error instanceof Hopeless) {
      console.error(error.message);
      process.exitCode = 1;
      break;
    }
    console.error(error instanceof Error ? error.message : error);
  } finally {
    await connection.close();
  }
  await pause(nextPause(), undefined, { signal: end.signal }).catch(() => {});
  failures += 1;
}
