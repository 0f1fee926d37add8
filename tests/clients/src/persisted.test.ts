// Documents that clients name instead of sending them: with the lists of graphql-codegen and Relay's compiler, and with
// Apollo Client's automatic persisted queries.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client/core";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { PUBLISHER, start } from "../lib/demo.mjs";
import { PACKS } from "./documents.js";
import { possibleTypes } from "./schema.js";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

interface Answer {
  data?: { integrationPacks?: { edges: unknown[] } };
  errors?: { extensions: { code: string } }[];
}

/** Starts a server with a list of trusted documents. Calls `work` with the id of the document that begins so. */
async function withTrusted(file: string, beginning: string, work: (post: (body: object) => Promise<Answer>, id: string) => Promise<void>) {
  const listed = Object.entries(JSON.parse(readFileSync(file, "utf8")) as Record<string, string>);
  const id = listed.find(([, text]) => text.includes(beginning))?.[0];
  assert.ok(id, `${beginning} is in ${file}`);
  const demo = await start(["--demo", "--trusted-documents", file]);
  const headers = { "content-type": "application/json", authorization: `Bearer ${PUBLISHER}` };
  const post = async (body: object) => {
    const response = await fetch(demo.endpoint, { method: "POST", headers, body: JSON.stringify(body) });
    return (await response.json()) as Answer;
  };
  try {
    await work(post, id);
    const other = await post({ query: "{ __typename }" });
    assert.equal(other.errors?.[0]?.extensions.code, "PERSISTED_QUERY_REQUIRED");
  } finally {
    await demo.stop();
  }
}

test("a server executes the documents that graphql-codegen lists, and no others", async () => {
  await withTrusted("generated/persisted/persisted-documents.json", "query Packs(", async (post, id) => {
    for (const documentId of [id, id.replace("sha256:", "")]) {
      const answer = await post({ documentId, variables: { first: 2 } });
      assert.equal(answer.data?.integrationPacks?.edges.length, 2, JSON.stringify(answer));
    }
  });
});

test("a server executes the documents that Relay's compiler lists, and no others", async () => {
  await withTrusted("generated/relay-persisted.json", "query documentsPacksQuery(", async (post, id) => {
    for (const name of ["id", "doc_id", "documentId"]) {
      const answer = await post({ [name]: id, query: null, variables: { first: 2 } });
      assert.equal(answer.data?.integrationPacks?.edges.length, 2, JSON.stringify(answer));
    }
  });
});

test("Apollo Client sends a document once, and its hash from then on", async () => {
  const demo = await start();
  const sent: { query?: string }[] = [];
  const counting: typeof fetch = (input, init) => {
    sent.push(JSON.parse(String(init?.body)));
    return fetch(input, init);
  };
  const http = new HttpLink({ uri: demo.endpoint, headers: { authorization: `Bearer ${PUBLISHER}` }, fetch: counting });
  const link = ApolloLink.from([new PersistedQueryLink({ sha256 }), http]);
  const client = new ApolloClient({ link, cache: new InMemoryCache({ possibleTypes }) });
  try {
    for (let times = 0; times < 2; times += 1) {
      const { data } = await client.query({ query: PACKS, variables: { first: 2 }, fetchPolicy: "network-only" });
      assert.equal(data?.integrationPacks.edges.length, 2);
    }
    assert.deepEqual(
      sent.map(({ query }) => query !== undefined),
      [false, true, false],
    );
  } finally {
    client.stop();
    await demo.stop();
  }
});
