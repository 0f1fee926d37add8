// The audits of graphql-http, each as a separate test, including those of level MAY.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { serverAudits } from "graphql-http";
import { start } from "./lib/demo.mjs";

/** The number of audits in this version. Fewer would mean that some were lost. */
const AUDITS = 61;

const demo = await start();
after(() => demo.stop());

const counts = {};
const audits = serverAudits({ url: demo.endpoint });
for (const { id, name, fn } of audits) {
  test(`${id} ${name}`, async () => {
    const { status, reason } = await fn();
    const level = name.split(" ")[0];
    counts[level] = (counts[level] ?? 0) + (status === "ok" ? 1 : 0);
    assert.equal(status, "ok", reason);
  });
}

test("all of them were run", (t) => {
  t.diagnostic(`audits passed: ${Object.entries(counts).map(([level, passed]) => `${level} ${passed}`).join(", ")}, of ${audits.length}`);
  assert.equal(audits.length, AUDITS);
});
