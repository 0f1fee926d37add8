// The query form, which `/graphiql` shows when the editor isn't part of the build.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { within } from "../lib/browser.mjs";
import { ask, PUBLISHER, start } from "../lib/demo.mjs";
import { STAGES } from "../lib/editor.mjs";

let demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

const answers = (page, text) => page.locator("#answer").getByText(text).first().waitFor();
const tab = (page, name) => page.getByRole("tab", { name }).click();
const run = (page) => page.locator("#run").click();

test("a query runs, and a subscription hears what another tab's mutation does", () =>
  within(`${demo.url}/graphiql/form`, {}, async ({ page, picture }) => {
    await page.locator("#run:enabled").waitFor();
    assert.equal(await page.locator("#tokens").inputValue(), PUBLISHER);
    await run(page);
    await answers(page, /"Product data hub"/);
    await picture("form");
    await tab(page, "14 Follow updates");
    await run(page);
    await page.getByText("listening").waitFor();
    await tab(page, "8 Past midnight");
    const { serverInfo } = await ask(demo, PUBLISHER, "{ serverInfo { now } }");
    const inTenDays = new Date(Date.parse(serverInfo.now) + 10 * 24 * 3600 * 1000);
    await page.locator("#variables").fill(JSON.stringify({ to: inTenDays }));
    await run(page);
    await answers(page, /"releases"/);
    await tab(page, "14 Follow updates");
    await answers(page, /"packName"/);
  }));

test("the second tour has tabs of its own, and its steps fill one another in", () =>
  within(`${demo.url}/graphiql/form`, {}, async ({ page }) => {
    await page.locator("#run:enabled").waitFor();
    await page.getByRole("button", { name: "Tour 2: A release in stages" }).press("Enter");
    await page.getByRole("tab", { name: "1 Under way", selected: true }).waitFor();
    assert.deepEqual((await page.locator("#tabs").getByRole("tab").allTextContents()).map((title) => title.replace(" ●", "")), STAGES);
    await run(page);
    await answers(page, /underWay/);
    await tab(page, "2 Schedule");
    await run(page);
    await answers(page, /"SCHEDULED"/);
    await page.getByRole("button", { name: "Tour 1: A release", exact: true }).press("Enter");
    await page.getByRole("tab", { name: "1 Packs", selected: true }).waitFor();
  }));

test("it is readable in the dark, on a small window", () =>
  within(`${demo.url}/graphiql/form`, { colorScheme: "dark", viewport: { width: 390, height: 844 } }, async ({ page, picture }) => {
    await run(page);
    await answers(page, /"Product data hub"/);
    await picture("form-phone-dark");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, "nothing is cut off at the side");
  }));

test("it says what has to be run before, offers a document for each operation, and begins the demo anew", () =>
  within(`${demo.url}/graphiql/form`, {}, async ({ page }) => {
    await page.locator("#run:enabled").waitFor();
    await tab(page, "4 Schedule");
    await page.locator("#missing").getByText("First run “1 Packs” and “3 Preview”").waitFor();
    assert.ok((await page.locator("#examples option").count()) > 70);
    await page.locator("#examples").selectOption("query.serverInfo");
    assert.equal(await page.locator("#token").inputValue(), PUBLISHER);
    await run(page);
    await answers(page, /databaseKind/);
    page.on("dialog", (dialog) => dialog.accept());
    await page.locator("#start-over").click();
    await page.getByRole("tab", { name: "1 Packs", selected: true }).waitFor();
    const { serverInfo } = await ask(demo, PUBLISHER, "{ serverInfo { now } }");
    assert.ok(Math.abs(Date.parse(serverInfo.now) - Date.now()) < 3600 * 1000, "the clock is that of the start");
  }));
