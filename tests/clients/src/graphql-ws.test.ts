// graphql-ws alone: queries, mutations and subscriptions over one socket.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import type { Client } from "graphql-ws";
import { start } from "../lib/demo.mjs";
import { FOLLOW, INSTALLATIONS, PACKS, UPDATE_PACK } from "./documents.js";
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

/** Runs a document with a single answer. */
async function once<Data, Variables extends Record<string, unknown>>(client: Client, document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
  for await (const { data, errors } of client.iterate<Data>({ query: print(document), variables })) {
    assert.equal(errors, undefined);
    return data as Data;
  }
  throw new Error("nothing was answered");
}

test("graphql-ws carries queries of both kinds of accounts", async () => {
  const [publisher, acme] = [PUBLISHER, ACME].map((token) => once(connection(demo, token).client, INSTALLATIONS, {}));
  seesBothKinds(await publisher!, await acme!);
});

test("graphql-ws pages, and carries mutations", async () => {
  const { client } = connection(demo, PUBLISHER);
  const { integrationPacks: pages } = await once(client, PACKS, { first: 2 });
  while (pages.pageInfo.hasNextPage) {
    const { integrationPacks: page } = await once(client, PACKS, { first: 2, after: pages.pageInfo.endCursor ?? null });
    pages.edges.push(...page.edges);
    pages.pageInfo = page.pageInfo;
  }
  pagesAddUp(pages, (await once(client, PACKS, { first: 100 })).integrationPacks);
  await isRefused((input) => once(client, UPDATE_PACK, { input }), pages.edges[3]!.node.id);
});

test("graphql-ws hears events, and goes on where it was when its connection is lost", () => {
  const { client, drop } = connection(demo, GLOBEX);
  return subscribes(demo, {
    drop,
    subscribe: (cursor, { next, lost }) =>
      client.subscribe<{ installationUpdated: Parameters<typeof next>[0] }>(
        { query: print(FOLLOW), variables: { after: cursor } },
        { next: ({ data }) => data && next(data.installationUpdated), error: lost, complete: () => {} },
      ),
  });
});

test("graphql-ws is told of a token that nobody has", async () => {
  const { client } = connection(demo, "nobody-knows-it");
  await assert.rejects(once(client, PACKS, { first: 1 }), { code: 4403 });
});
