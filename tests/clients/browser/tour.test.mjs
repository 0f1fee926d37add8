// Helps for users on the tour: their position, missing answers, and what happens when the server is gone, comes back,
// or the demo starts over.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { mounted, within } from "../lib/browser.mjs";
import { ACME, advance, ask, freePort, GLOBEX, nodes, PUBLISHER, start } from "../lib/demo.mjs";
import { answers, run, shows, STEPS, tab, text } from "../lib/editor.mjs";

let demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

/** Errors that are expected while a server is gone: connections, and workers that can't be loaded. */
const GONE = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED|ERR_ABORTED|WebSocket connection to|web worker|console: undefined|page: Event/;

async function inView(page, locator) {
  const { width, height } = page.viewportSize();
  const box = await locator.boundingBox();
  return box !== null && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height;
}

/** Follows a link to a step, and waits until the page shows it. */
async function follow(page, step) {
  await page.evaluate((step) => (location.hash = `#step-${step}`), step);
  await page.getByRole("tab", { name: STEPS[step - 1], exact: true, selected: true }).waitFor();
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

test("what has to be run before is named, and a link leads to a step", () =>
  within(`${demo.url}/graphiql#step-4`, {}, async ({ page }) => {
    await mounted(page);
    const missing = page.locator("#missing");
    await missing.getByText("First run “1 Packs” and “3 Preview”").waitFor();
    assert.equal(await tab(page, 4).getAttribute("aria-selected"), "true");
    await page.locator("#fill").click();
    await missing.getByText("First run “1 Packs” and “3 Preview”").waitFor();
    await tab(page, 1).click();
    await run(page);
    await answers(page, '"integrationPacks"');
    await tab(page, 4).click();
    await missing.getByText("First run “3 Preview”:").waitFor();
    await tab(page, 3).click();
    await run(page);
    await answers(page, '"contentToken"');
    await follow(page, 4);
    await page.locator("#fill").click();
    await missing.getByText("The variables are filled in.").waitFor();
    await shows(page, ".graphiql-editor-tool", '"packId": "pack_.*"content": "(?!not known yet)');
    // A closed tab is opened again.
    await page.getByRole("button", { name: "Close 4 Schedule" }).click();
    assert.equal(await page.getByRole("tab").count(), STEPS.length - 1);
    await follow(page, 4);
  }));

test("Start over brings back the world and the tabs; theme and history stay", () =>
  within(`${demo.url}/graphiql`, {}, async ({ page, context, settled }) => {
    const begun = await ask(demo, PUBLISHER, "{ integrationPacks(first: 50) { edges { node { id name state } } } serverInfo { now } }");
    await mounted(page);
    await run(page);
    await answers(page, '"integrationPacks"');
    await page.getByRole("button", { name: "Open settings dialog" }).click();
    await page.getByRole("button", { name: "Dark" }).click();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Close 1 Packs" }).click();
    await advance(demo, { bySeconds: 20 * 24 * 3600 });
    await settled();
    page.on("dialog", (dialog) => dialog.accept());
    // The page reloads slowly. Tabs that it stores in the meantime must not count.
    await page.route("**/graphiql", async (route) => (await pause(1_500), await route.continue()), { times: 1 });
    await page.getByRole("button", { name: "Close 2 A pack" }).click();
    await page.locator("#start-over").click();
    await tab(page, 1).waitFor();
    await mounted(page);
    assert.deepEqual(await page.getByRole("tab").allTextContents(), STEPS);
    const again = await ask(demo, PUBLISHER, "{ integrationPacks(first: 50) { edges { node { id name state } } } serverInfo { now } }");
    assert.deepEqual(again.integrationPacks, begun.integrationPacks);
    assert.ok(Date.parse(again.serverInfo.now) - Date.parse(begun.serverInfo.now) < 24 * 3600 * 1000, "the clock is that of the start");
    await settled();
    // Another window of the same browser.
    const other = await context.newPage();
    await page.close();
    await other.goto(`${demo.url}/graphiql`);
    await mounted(other);
    await other.locator("body.graphiql-dark").waitFor();
    await other.getByRole("button", { name: "Show History" }).click();
    await other.locator(".graphiql-history").getByText("Packs").first().waitFor();
    assert.deepEqual(await other.getByRole("tab").allTextContents(), STEPS);
  }));

test("a server that is gone is named, without a stack, and one that has begun anew too", async () => {
  const own = await start();
  const port = new URL(own.url).port;
  let again;
  try {
    await within(`${own.url}/graphiql`, { expected: GONE }, async ({ page, picture }) => {
      await mounted(page);
      await run(page);
      await answers(page, '"integrationPacks"');
      await own.stop();
      await run(page);
      await answers(page, "can't be reached");
      await page.locator("#word").getByText("can't be reached").waitFor();
      assert.doesNotMatch(await text(page, ".result-window"), /stack|\bat \w+ \(|assets\//);
      await picture("gone");
      again = await start(["--demo"], {}, port);
      await tab(page, 3).click();
      await page.evaluate(() => dispatchEvent(new Event("focus")));
      await page.locator("#word").getByText("The demo was reset").waitFor();
      // The answers belong to the former world.
      await page.locator("#missing").getByText("First run “1 Packs”").waitFor();
      await tab(page, 1).click();
      await run(page);
      await page.locator("#word").getByText("The demo was reset").waitFor({ state: "detached" }).catch(() => {});
      await answers(page, '"integrationPacks"');
      assert.equal(await page.locator("#word").textContent(), "");
    });
  } finally {
    await again?.stop();
  }
});

/** A connection from a port to a server, which can be cut and restored. */
async function wire(port, target) {
  const sockets = new Set();
  let isCut = false;
  const server = createServer((socket) => {
    if (isCut) return socket.destroy();
    const further = connect(target, "127.0.0.1");
    for (const [one, other] of [[socket, further], [further, socket]]) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => (sockets.delete(one), other.destroy()));
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    close: () => server.close(),
  };
}

const HEARD = "query ($after: String) { events(after: $after, first: 100) { edges { node { id } } } }";
const LISTEN = "subscription Everything { events { id cursor kind } }";

test("a subscription that was interrupted goes on after what it has heard", async () => {
  const port = await freePort();
  // The browser sends the name and port of the proxy.
  const own = await start(["--demo", "--public-host", `127.0.0.1:${port}`]);
  const line = await wire(port, new URL(own.url).port);
  try {
    await within(`http://127.0.0.1:${port}/graphiql`, { expected: GONE }, async ({ page, picture }) => {
      await mounted(page);
      const { viewer } = await ask(own, GLOBEX, "{ viewer { eventCursor } }");
      await tab(page, 9).click();
      await page.locator("#new-tab").click();
      await page.locator(".graphiql-query-editor .view-line").first().click();
      await page.keyboard.insertText(LISTEN);
      await run(page);
      await page.getByText("1 listening").waitFor();
      await page.locator("#listening").click();
      const pane = page.getByRole("region", { name: "Subscriptions" });
      await pane.getByText("listens").waitFor();
      // Before and after the first event: events from the time of the interruption arrive later.
      for (const days of [2, 3, 6]) {
        line.cut();
        await pane.getByText("interrupted; tries again").waitFor();
        await advance(own, { bySeconds: days * 24 * 3600 });
        line.mend();
        await pane.getByText("listens").waitFor({ timeout: 60_000 });
        const events = nodes((await ask(own, GLOBEX, HEARD, { after: viewer.eventCursor })).events);
        await pane.getByText(events.length === 1 ? "1 event" : `${events.length} events`, { exact: true }).waitFor();
      }
      const ids = nodes((await ask(own, GLOBEX, HEARD, { after: viewer.eventCursor })).events).map(({ id }) => id);
      assert.ok(ids.length >= 3, `${ids.length} events are too few to tell`);
      const heard = (await pane.locator("pre").allTextContents()).map((json) => JSON.parse(json).data.events.id);
      assert.deepEqual(heard.reverse(), ids, "each once, in order");
      await pane.getByText("went on after the last event").waitFor();
      await picture("interrupted");
      // A subscription of a former world can't be resumed.
      await ask(own, ACME, "mutation { demoReset { now } }");
      await pane.getByText("over: the demo was reset").waitFor({ timeout: 30_000 });
    });
  } finally {
    line.close();
    line.cut();
    await own.stop();
  }
});
