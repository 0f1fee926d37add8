// The tests that every client must pass. A client provides a few functions; the assertions are shared.
import assert from "node:assert/strict";
import { ACME, advance, ask, GLOBEX, nodes, PUBLISHER, start } from "../lib/demo.mjs";
import type { FollowSubscription, InstallationsQuery, PacksQuery, UpdateIntegrationPackInput, UpdatePackMutation } from "../generated/graphql.js";

export { ACME, GLOBEX, PUBLISHER };

export type Demo = Awaited<ReturnType<typeof start>>;
export type InstallationEvent = FollowSubscription["installationUpdated"];

/** Ends a subscription like its user would. */
export type Stop = () => void;

export interface Subscriber {
  next(event: InstallationEvent): void;
  /** Called when the connection is lost or the server has ended it. */
  lost(): void;
}

/** A client that can subscribe; `drop` cuts the connection like a network failure. */
export interface Listening {
  subscribe(after: string, subscriber: Subscriber): Stop;
  drop(): void;
}

const DAY = 24 * 3600;
const PATIENCE = 20_000;

/** Follows a subscription, and resumes it after the last cursor whenever its connection is lost. */
function follow(client: Listening, start: string) {
  const heard: InstallationEvent[] = [];
  const waiting = new Set<() => void>();
  let cursor = start;
  let connections = 0;
  let paused = false;
  let stop: Stop = () => {};
  const open = () => {
    connections += 1;
    stop = client.subscribe(cursor, {
      next(event) {
        cursor = event.cursor;
        heard.push(event);
        for (const look of waiting) look();
      },
      lost() {
        if (!paused) open();
      },
    });
  };
  open();
  return {
    heard,
    connections: () => connections,
    /** Waits until a matching event has arrived. */
    hears: (what: string, matches: (event: InstallationEvent) => boolean) =>
      new Promise<InstallationEvent>((resolve, reject) => {
        const end = () => {
          clearTimeout(timer);
          waiting.delete(look);
        };
        const timer = setTimeout(() => {
          end();
          reject(new Error(`${what} was not heard, but ${JSON.stringify(heard)}`));
        }, PATIENCE);
        const look = () => {
          const found = heard.find(matches);
          if (!found) return;
          end();
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    /** Cuts the connection, runs `meanwhile`, and reconnects. */
    async away(meanwhile: () => Promise<void>) {
      paused = true;
      client.drop();
      await meanwhile();
      paused = false;
      open();
    },
    stop: () => {
      paused = true;
      stop();
    },
  };
}

/** A subscription gets the events of the moved clock. After a lost connection it has missed nothing. */
export async function subscribes(demo: Demo, client: Listening) {
  const { viewer } = await ask(demo, GLOBEX, "{ viewer { eventCursor } }");
  const following = follow(client, viewer.eventCursor);
  try {
    // The windows of pending releases in the demo's world open.
    await advance(demo, { bySeconds: 10 * DAY });
    const moved = await following.hears("a move", (event) => event.kind === "INSTALLATION_UPDATED" && event.state === "APPLIED");
    assert.equal(moved.installation?.version.number, moved.versionNumber);

    await following.away(async () => {
      await release(demo, "Product data hub");
      await advance(demo, { bySeconds: 10 * DAY });
    });
    await following.hears("the end of what was missed", ({ packName, state }) => packName === "Product data hub" && state === "APPLIED");
    const missed = following.heard.filter(({ packName }) => packName === "Product data hub");
    assert.deepEqual(
      missed.map(({ kind, state }) => [kind, state]),
      [
        ["UPDATE_OFFERED", "OFFERED"],
        ["INSTALLATION_UPDATED", "APPLIED"],
      ],
      "in their order",
    );
    const ids = following.heard.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "each is heard once");
    assert.ok(following.connections() >= 2);
  } finally {
    following.stop();
  }
}

/** Waits until the shown value is the expected one. */
export async function until(isSo: () => boolean) {
  for (const end = Date.now() + PATIENCE; !isSo(); await new Promise((resolve) => setTimeout(resolve, 10))) {
    if (Date.now() > end) throw new Error(`this didn't come to be: ${isSo}`);
  }
}

async function release(demo: Demo, name: string) {
  const { integrationPacks, viewer } = await ask(
    demo,
    PUBLISHER,
    "{ integrationPacks(first: 100) { edges { node { id name } } } viewer { account { ... on PublisherAccount { releaseDates { earliest } } } } }",
  );
  const pack = nodes(integrationPacks).find((pack: { name: string }) => pack.name === name);
  const { releaseIntegrationPack } = await ask(
    demo,
    PUBLISHER,
    "mutation ($input: ReleaseIntegrationPackInput!) { releaseIntegrationPack(input: $input) { errors { code message } } }",
    { input: { packId: pack.id, schedule: { onDate: viewer.account.releaseDates.earliest }, notes: "What is newer." } },
  );
  assert.deepEqual(releaseIntegrationPack.errors, []);
}

/** Fragments on interfaces match the right types, for both kinds of accounts. */
export function seesBothKinds(publisher: InstallationsQuery, managed: InstallationsQuery) {
  const [ofPublisher, ofManaged] = [publisher, managed].map(({ installations }) => installations.edges.map(({ node }) => node.pack));
  assert.ok(ofPublisher && ofPublisher.length >= 5 && ofManaged && ofManaged.length >= 2);
  for (const pack of ofPublisher) {
    assert.ok(pack.name && pack.installationType);
    assert.equal(pack.__typename, "IntegrationPack");
    assert.ok("revision" in pack && pack.revision >= 1 && !("publisherName" in pack));
  }
  for (const pack of ofManaged) {
    assert.ok(pack.name && pack.installationType);
    assert.equal(pack.__typename, "AvailablePack");
    assert.ok("publisherName" in pack && pack.publisherName && !("revision" in pack));
  }
}

/** A refused mutation has the reason in its payload, and the client throws nothing. */
export async function isRefused(update: (input: UpdateIntegrationPackInput) => Promise<UpdatePackMutation>, packId: string) {
  const { updateIntegrationPack } = await update({ packId, name: "Warehouse link" });
  assert.equal(updateIntegrationPack.integrationPack, null);
  assert.deepEqual(
    updateIntegrationPack.errors.map(({ code, field }) => [code, field]),
    [["NAME_TAKEN", ["name"]]],
  );
  assert.ok(updateIntegrationPack.errors[0]?.message);
}

/** Pages of two items together equal a single large page. */
export function pagesAddUp(pages: PacksQuery["integrationPacks"], whole: PacksQuery["integrationPacks"]) {
  assert.ok(whole.edges.length > 4);
  assert.deepEqual(
    pages.edges.map(({ node }) => node.name),
    whole.edges.map(({ node }) => node.name),
  );
  assert.equal(pages.pageInfo.hasNextPage, false);
}
