// A server that is newer than the client: its answers have values that the client's types don't have.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, fetchExchange } from "@urql/core";
import { type Role, WhoAmIDocument } from "../generated/examples/graphql.js";
import { start } from "../lib/demo.mjs";
import { type Demo, PUBLISHER } from "./story.js";

let demo: Demo;
before(async () => {
  demo = await start();
});
after(async () => {
  await demo?.stop();
});

/** The demo's answers, as a later version would give them. */
const later: typeof fetch = async (input, init) => {
  const answer = await fetch(input, init);
  const text = (await answer.text()).replaceAll('"ADMINISTRATOR"', '"SOMETHING_NEW"');
  return new Response(text, { status: answer.status, headers: { "content-type": "application/json" } });
};

/** Takes a role that it doesn't know for one that may do nothing. */
function mayRelease(role: Role): boolean {
  switch (role) {
    case "ADMINISTRATOR":
    case "STANDARD_USER":
      return true;
    default:
      return false;
  }
}

test("a value of an enum that the client has never seen reaches the branch for all others", async () => {
  const roles: string[] = [];
  for (const fetching of [fetch, later]) {
    const client = new Client({
      url: demo.endpoint,
      preferGetMethod: false,
      fetch: fetching,
      fetchOptions: { headers: { authorization: `Bearer ${PUBLISHER}` } },
      exchanges: [fetchExchange],
    });
    const { data, error } = await client.query(WhoAmIDocument, {});
    assert.equal(error, undefined);
    assert.ok(data);
    roles.push(data.viewer.role);
    assert.equal(mayRelease(data.viewer.role), fetching === fetch);
  }
  assert.deepEqual(roles, ["ADMINISTRATOR", "SOMETHING_NEW"]);
});
