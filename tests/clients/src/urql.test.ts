// urql, with Graphcache, and subscriptions over graphql-ws.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, fetchExchange, type OperationResult, subscriptionExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import type { UpdateIntegrationPackInput } from "../generated/graphql.js";
import { start } from "../lib/demo.mjs";
import { FOLLOW, INSTALLATIONS, PACKS, UPDATE_PACK } from "./documents.js";
import { introspection } from "./schema.js";
import { connection, hangUp } from "./sockets.js";
import { ACME, type Demo, GLOBEX, isRefused, pagesAddUp, PUBLISHER, seesBothKinds, subscribes } from "./story.js";

let demo: Demo;
before(async () => {
  demo = await start();
});
after(async () => {
  await hangUp();
  await demo?.stop();
});

/** Graphcache's warnings. There should be none. */
const odd: string[] = [];

function urql(token: string) {
  const { client, drop } = connection(demo, token);
  const cache = cacheExchange({
    schema: introspection,
    logger: (severity, message) => severity !== "debug" && odd.push(message),
    resolvers: { Query: { integrationPacks: relayPagination() } },
  });
  const subscriptions = subscriptionExchange({
    forwardSubscription: ({ query, variables }) => ({
      subscribe: (sink) => ({ unsubscribe: client.subscribe({ query: query ?? "", variables: variables as Record<string, unknown> }, sink as never) }),
    }),
  });
  return {
    drop,
    client: new Client({
      url: demo.endpoint,
      preferGetMethod: false,
      fetchOptions: { headers: { authorization: `Bearer ${token}` } },
      exchanges: [cache, fetchExchange, subscriptions],
    }),
  };
}

async function read<Data>(reading: PromiseLike<OperationResult<Data>>): Promise<Data> {
  const { data, error } = await reading;
  if (error || !data) throw error ?? new Error("no data");
  return data;
}

test("urql matches fragments on interfaces", async () => {
  const [publisher, acme] = [PUBLISHER, ACME].map((token) => read(urql(token).client.query(INSTALLATIONS, {})));
  seesBothKinds(await publisher!, await acme!);
  assert.deepEqual(odd, []);
});

test("urql adds pages up, and a mutation changes what it has by id", async () => {
  const { client } = urql(PUBLISHER);
  const page = async (after: string | null) => (await read(client.query(PACKS, { first: 2, after }))).integrationPacks;
  let shown = await page(null);
  while (shown.pageInfo.hasNextPage) shown = await page(shown.pageInfo.endCursor);
  const whole = await read(urql(PUBLISHER).client.query(PACKS, { first: 100 }));
  pagesAddUp(shown, whole.integrationPacks);

  const { node: pack } = shown.edges[3]!;
  const update = async (input: UpdateIntegrationPackInput) => read(client.mutation(UPDATE_PACK, { input }));
  await isRefused(update, pack.id);
  await update({ packId: pack.id, description: "Told by urql." });
  const { data, stale } = await client.query(PACKS, { first: 2 }, { requestPolicy: "cache-only" });
  assert.equal(stale, false);
  const changed = data?.integrationPacks.edges[3]?.node;
  assert.equal(changed?.description, "Told by urql.", "out of the cache");
  assert.ok(changed.revision > pack.revision);
  assert.deepEqual(odd, []);
});

test("urql hears events, and goes on where it was when its connection is lost", () => {
  const { client, drop } = urql(GLOBEX);
  return subscribes(demo, {
    drop,
    subscribe(cursor, { next, lost }) {
      const events = client.subscription(FOLLOW, { after: cursor });
      const { unsubscribe } = events.subscribe(({ data, error }) => {
        if (error) lost();
        else if (data) next(data.installationUpdated);
      });
      return unsubscribe;
    },
  });
});
