// graphql-sse in its distinct connections mode: an event stream for each operation.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { createClient } from "graphql-sse";
import { start } from "../lib/demo.mjs";
import { FOLLOW, INSTALLATIONS, PACKS, UPDATE_PACK } from "./documents.js";
import { ACME, type Demo, GLOBEX, isRefused, pagesAddUp, PUBLISHER, seesBothKinds, subscribes } from "./story.js";

let demo: Demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

/** A client whose streams can be cut. */
function sse(token: string) {
  let cut = new AbortController();
  const client = createClient({
    url: `${demo.endpoint}/stream`,
    headers: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    fetchFn: (url: string, init: RequestInit) => fetch(url, { ...init, signal: AbortSignal.any([init.signal!, cut.signal]) }),
  });
  return {
    client,
    drop() {
      cut.abort(new Error("cut"));
      cut = new AbortController();
    },
  };
}

/** Runs a document with a single answer. */
async function once<Data, Variables extends Record<string, unknown>>(token: string, document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
  for await (const { data, errors } of sse(token).client.iterate<Data>({ query: print(document), variables })) {
    assert.equal(errors, undefined);
    return data as Data;
  }
  throw new Error("nothing was answered");
}

test("graphql-sse carries queries of both kinds of accounts", async () => {
  seesBothKinds(await once(PUBLISHER, INSTALLATIONS, {}), await once(ACME, INSTALLATIONS, {}));
});

test("graphql-sse pages, and carries mutations", async () => {
  const { integrationPacks: pages } = await once(PUBLISHER, PACKS, { first: 2 });
  while (pages.pageInfo.hasNextPage) {
    const { integrationPacks: page } = await once(PUBLISHER, PACKS, { first: 2, after: pages.pageInfo.endCursor });
    pages.edges.push(...page.edges);
    pages.pageInfo = page.pageInfo;
  }
  pagesAddUp(pages, (await once(PUBLISHER, PACKS, { first: 100 })).integrationPacks);
  await isRefused((input) => once(PUBLISHER, UPDATE_PACK, { input }), pages.edges[3]!.node.id);
});

test("graphql-sse hears events, and goes on where it was when its stream is cut", () => {
  const { client, drop } = sse(GLOBEX);
  return subscribes(demo, {
    drop,
    subscribe: (cursor, { next, lost }) =>
      client.subscribe<{ installationUpdated: Parameters<typeof next>[0] }>(
        { query: print(FOLLOW), variables: { after: cursor } },
        { next: ({ data }) => data && next(data.installationUpdated), error: lost, complete: () => {} },
      ),
  });
});
