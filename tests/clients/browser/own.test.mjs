// GraphiQL beside a server's own data: no story, and a field for the token, which the window forgets.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mounted, within } from "../lib/browser.mjs";
import { PROGRAM, start } from "../lib/demo.mjs";

let folder, server, token;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "packwright-own-"));
  const database = ["--database-url", `sqlite://${join(folder, "own.db")}?mode=rwc`];
  const command = (...words) => execFileSync(PROGRAM, [...words, ...database], { encoding: "utf8" });
  command("migrate", "up");
  command("account", "create", "Northwind", "--time-zone", "Europe/Berlin");
  token = command("token", "create", "--account", "Northwind", "--name", "own", "--role", "administrator").trim();
  server = await start(["--graphiql", ...database]);
});
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

test("a token is typed in, and kept out of the storage that stays", () =>
  within(`${server.url}/graphiql`, {}, async ({ page, context, settled }) => {
    await mounted(page);
    assert.equal(await page.locator("#tokens").count(), 0);
    await page.getByLabel("Bearer token").fill(token);
    await page.locator(".graphiql-execute-button").click();
    await page.locator(".result-window .view-lines").getByText("Northwind").waitFor();
    await settled();
    await page.reload();
    await mounted(page);
    assert.equal(await page.getByLabel("Bearer token").inputValue(), token, "a reload doesn't ask for it again");
    const kept = JSON.stringify(await context.storageState());
    assert.ok(kept.includes("graphiql:"), "the documents stay");
    assert.ok(!kept.includes(token), "the token doesn't");
  }));
