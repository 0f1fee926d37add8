// Compares the table of changes that `packwright schema check` must find with what graphql-inspector finds. With
// `--write` the table is written anew.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const table = new URL("../comparison/cases.txt", import.meta.url);
const [head, ...cases] = readFileSync(table, "utf8").split(/^## /m);

async function changes(before, after) {
  const found = await diff(buildSchema(before), buildSchema(after));
  const lines = found.map(({ criticality, type, path }) => `${criticality.level} ${type} ${path ?? "-"}`);
  return [...new Set(lines)].sort();
}

const written = [];
for (const one of cases) {
  const [name, before, after, expected] = one.split(/^-- (?:old|new|changes)\n/m);
  const found = await changes(before, after);
  written.push(`## ${name}-- old\n${before}-- new\n${after}-- changes\n${found.map((line) => `${line}\n`).join("")}`);
  test(name.trim(), () => {
    assert.deepEqual(expected.trim().split("\n").filter(Boolean), found);
  });
}
test("the table has cases", () => assert.ok(cases.length > 20));

if (process.argv.includes("--write")) {
  writeFileSync(table, head + written.join("\n"));
}
