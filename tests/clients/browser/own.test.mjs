// GraphiQL on an ordinary server: no tour, and a field for the token, which isn't kept after the window closes.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mounted, within } from "../lib/browser.mjs";
import { PROGRAM, start } from "../lib/demo.mjs";
import { shows } from "../lib/editor.mjs";

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

test("a document for each operation is offered, and opens in a tab", () =>
  within(`${server.url}/graphiql`, {}, async ({ page, picture }) => {
    await mounted(page);
    const pane = page.getByRole("region", { name: "Examples" });
    await pane.getByText(/^\d+ documents, one for each operation/).waitFor();
    assert.ok((await pane.getByRole("listitem").count()) >= 70);
    assert.equal(await pane.getByRole("button", { name: /^demo/ }).count(), 0, "what the demo alone has isn't offered");
    await page.getByLabel("Bearer token").fill(token);
    await pane.getByLabel("Search the examples").fill("group share");
    await pane.getByRole("button", { name: "createAccountGroup", exact: true }).click();
    assert.equal(await page.getByRole("tab").count(), 2);
    await page.getByRole("tab", { name: "NewGroup", selected: true }).waitFor();
    assert.equal(await page.getByLabel("Bearer token").inputValue(), token, "with the token of the tab before");
    await shows(page, ".graphiql-editor-tool", '"name": "String!"');
    await pane.getByLabel("Search the examples").fill("");
    await pane.getByRole("button", { name: "serverInfo", exact: true }).click();
    await page.locator(".graphiql-execute-button").click();
    await page.locator(".result-window .view-lines").getByText("databaseKind").waitFor();
    await picture("examples");
  }));
