// The second tour, from its first tab to its last, and the ways between the tours, with the keyboard alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { mounted, within } from "../lib/browser.mjs";
import { ACME, ask, PUBLISHER, start } from "../lib/demo.mjs";
import { answers, shows, STAGES, STEPS, tab } from "../lib/editor.mjs";

let demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

const selected = (page, title) => page.getByRole("tab", { name: title, exact: true, selected: true });
const link = (page, name) => page.getByRole("link", { name });

// The editor draws the first lines of a long answer only: what is below them, `until` asks the server for.

/** Runs the tab's document with the editor's own keys. */
async function run(page) {
  await page.locator(".graphiql-query-editor .view-line").first().click();
  await page.keyboard.press("Control+Enter");
}

/** Goes to the next tab of the strip. */
async function goOn(page, title) {
  await page.getByRole("tab", { selected: true }).focus();
  await page.keyboard.press("ArrowRight");
  await selected(page, title).waitFor();
}

/** Waits until the release that the tour has scheduled is as wanted. */
async function until(isSo) {
  const query = `{ integrationPacks(filter: { search: "Invoice exchange" }, first: 1) { edges { node {
    releases(first: 1) { edges { node { state pause { at } stages { state } progress { total withdrawn } } } } } } } }`;
  for (let tries = 0; tries < 200; tries += 1) {
    const { integrationPacks } = await ask(demo, PUBLISHER, query);
    const release = integrationPacks.edges[0].node.releases.edges[0].node;
    if (isSo(release)) return;
    await pause(100);
  }
  assert.fail(`never came: ${isSo}`);
}

test("the keyboard leads from one tour to the other, and each strip has its own tabs", () =>
  within(`${demo.url}/graphiql`, {}, async ({ page }) => {
    await mounted(page);
    assert.deepEqual(await page.getByRole("tab").allTextContents(), STEPS);
    // The links are the first things that the tab key comes to.
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Tour 2: A release in stages");
    await page.keyboard.press("Enter");
    await selected(page, "1 Under way").waitFor();
    assert.deepEqual(await page.getByRole("tab").allTextContents(), STAGES);
    assert.equal(await link(page, "Tour 2").getAttribute("aria-current"), "true");
    await selected(page, "1 Under way").focus();
    await page.keyboard.press("End");
    await selected(page, "8 Roll back").waitFor();
    await page.keyboard.press("ArrowRight");
    await selected(page, "8 Roll back").waitFor();
    await page.keyboard.press("Home");
    await selected(page, "1 Under way").waitFor();
    // A closed tab gives way to a neighbour of the same tour. The link opens it again.
    await page.getByRole("button", { name: "Close 1 Under way" }).click();
    await selected(page, "2 Schedule").waitFor();
    await link(page, "Tour 2").focus();
    await page.keyboard.press("Enter");
    await selected(page, "1 Under way").waitFor();
    assert.equal(await page.getByRole("tab").count(), STAGES.length);
    await link(page, "Tour 1").focus();
    await page.keyboard.press("Enter");
    await selected(page, "1 Packs").waitFor();
    assert.deepEqual(await page.getByRole("tab").allTextContents(), STEPS);
    await selected(page, "1 Packs").focus();
    await page.keyboard.press("End");
    await selected(page, "14 Follow updates").waitFor();
    await link(page, "Go on to the next tour").focus();
    await page.keyboard.press("Enter");
    await page.getByRole("tab", { name: "1 Under way", selected: true }).waitFor();
  }));

test("a release in stages is scheduled, opened, halted by its rule, and taken back", () =>
  within(`${demo.url}/graphiql#stages-1`, {}, async ({ page, picture }) => {
    await mounted(page);
    await selected(page, "1 Under way").waitFor();
    await run(page);
    await answers(page, '"underWay".*"haltFigures".*"bad": 1');
    await goOn(page, "2 Schedule");
    await shows(page, ".graphiql-editor-tool", '"groupId": "(?!not known yet)');
    await run(page);
    await answers(page, '"releaseIntegrationPack".*"state": "SCHEDULED".*"name": "Pilots"');
    await goOn(page, "3 Pilots");
    await run(page);
    await answers(page, '"openNextStage".*"state": "SCHEDULED"');
    await until(({ stages }) => stages[0].state === "DONE");
    await goOn(page, "4 Acme reports");
    assert.equal(await page.locator("#tokens").inputValue(), ACME);
    await run(page);
    await answers(page, '"outcome": "BROKEN".*"how": "STAGED".*"errors": \\[\\]');
    await goOn(page, "5 A tenth");
    await run(page);
    await answers(page, '"openNextStage".*"state": "SCHEDULED"');
    await until(({ pause }) => pause !== null);
    await goOn(page, "6 Halted");
    await run(page);
    await answers(page, '"kind": "SCHEDULER".*"bad": 1.*"broken": 1');
    await picture("tour-halted");
    await goOn(page, "7 Take back");
    await run(page);
    await answers(page, '"state": "CANCELED".*"errors": \\[\\]');
    await until(({ progress }) => progress.withdrawn === progress.total);
    await tab(page, "6 Halted").click();
    await run(page);
    await answers(page, '"state": "CANCELED"');
    await tab(page, "8 Roll back").click();
    await run(page);
    await answers(page, '"state": "ROLL(ING|ED)_BACK".*"installationCount": 2.*"errors": \\[\\]');
    await link(page, "Go on to the next tour: Webhooks").waitFor();
  }));
