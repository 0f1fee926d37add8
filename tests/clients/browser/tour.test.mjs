// What the page does for somebody who goes the tour: where the tabs are, what is missing, and what happens when the
// server is gone, comes back, or begins anew.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { mounted, within } from "../lib/browser.mjs";
import { ACME, advance, ask, GLOBEX, nodes, PUBLISHER, start } from "../lib/demo.mjs";
import { answers, run, STEPS, tab, text } from "../lib/editor.mjs";

let demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

/** What fails while a server is gone: connections, and a worker that would have been fetched then. */
const GONE = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_ABORTED|WebSocket connection to|web worker|console: undefined|page: Event/;

async function inView(page, locator) {
  const { width, height } = page.viewportSize();
  const box = await locator.boundingBox();
  return box !== null && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height;
}

for (const width of [1440, 1024]) {
  test(`all tabs are seen at ${width} pixels, with the numbers and titles of the tour`, () =>
    within(`${demo.url}/graphiql`, { viewport: { width, height: 800 } }, async ({ page, picture }) => {
      await mounted(page);
      assert.deepEqual(await page.getByRole("tab").allTextContents(), STEPS);
      for (const step of STEPS) {
        assert.ok(await inView(page, tab(page, step)), `${step} is outside`);
        await tab(page, step).click();
        assert.equal(await tab(page, step).getAttribute("aria-selected"), "true");
      }
      for (const id of ["#new-tab", "#examples", "#start-over", "#clock"]) assert.ok(await inView(page, page.locator(id)), `${id} is outside`);
      await picture(`tour-${width}`);
    }));
}

test("a new tab is seen, and has the token of the tab that it was opened from", () =>
  within(`${demo.url}/graphiql`, { viewport: { width: 1024, height: 800 } }, async ({ page }) => {
    await mounted(page);
    for (const step of [5, 9, 1]) {
      await tab(page, step).click();
      const token = await page.locator("#tokens").inputValue();
      await page.locator("#new-tab").click();
      const opened = page.getByRole("tab", { selected: true });
      assert.equal(await opened.textContent(), "New");
      assert.ok(await inView(page, opened));
      assert.equal(await page.locator("#tokens").inputValue(), token);
    }
    assert.equal(await page.locator("#tokens").inputValue(), PUBLISHER);
  }));
