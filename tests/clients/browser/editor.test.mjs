// GraphiQL in a browser: the demo's tour from the first tab to the last, without requests to other hosts.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mounted, within } from "../lib/browser.mjs";
import { answers, run, STEPS, tab } from "../lib/editor.mjs";
import { advance, PUBLISHER, start } from "../lib/demo.mjs";

let demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

test("the editor mounts, knows the schema, and runs a query with the token of its tab", () =>
  within(`${demo.url}/graphiql`, {}, async ({ page, picture }) => {
    await mounted(page);
    assert.deepEqual(await page.getByRole("tab").allTextContents(), STEPS);
    assert.equal(await page.locator("#tokens").inputValue(), PUBLISHER);
    await run(page);
    await answers(page, '"name": "Customer 360"');
    // A description from the schema, loaded by introspection.
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    await page.locator(".graphiql-doc-explorer").getByText("Subscription", { exact: true }).waitFor();
    await picture("graphiql");
  }));

test("another token is somebody else", () =>
  within(`${demo.url}/graphiql`, { expected: /\b401\b/ }, async ({ page }) => {
    await mounted(page);
    await page.locator("#tokens").selectOption("demo-acme-admin");
    await run(page);
    await answers(page, '"code": "FORBIDDEN"');
    await page.locator("#tokens").selectOption("");
    await page.getByLabel("Bearer token").fill("nobody-knows-it");
    await run(page);
    await answers(page, '"code": "UNAUTHENTICATED"');
  }));

test("a mistake is underlined, by what the schema says", () =>
  within(`${demo.url}/graphiql`, {}, async ({ page }) => {
    await mounted(page);
    await page.locator(".graphiql-query-editor .view-line").first().click();
    await page.keyboard.press("Control+End");
    await page.keyboard.insertText(" query Mistaken { nothingLikeThis }");
    await page.locator(".graphiql-query-editor .squiggly-error").first().waitFor();
  }));

test("a subscription goes on in its tab while another one moves the clock", () =>
  within(`${demo.url}/graphiql`, { colorScheme: "dark" }, async ({ page, picture }) => {
    await mounted(page);
    await run(page);
    await answers(page, '"integrationPacks"');
    await tab(page, 2).click();
    await run(page);
    await answers(page, '"name": "Product data hub".*"hasUnreleasedChanges": true');
    await tab(page, 3).click();
    await run(page);
    await answers(page, '"nextNumber": 2.*"contentToken"');
    await tab(page, 4).click();
    await run(page);
    await answers(page, '"state": "SCHEDULED"');
    await tab(page, 5).click();
    await run(page);
    await answers(page, '"pendingUpdates"');
    await tab(page, 6).click();
    await run(page);
    await answers(page, '"alreadyApplied": false');
    await tab(page, 7).click();
    await run(page);
    await answers(page, '"state": "SCHEDULED"');
    await page.getByText("1 listening").waitFor();

    await tab(page, 8).click();
    await page.getByText("1 listening").waitFor();
    await run(page);
    await answers(page, '"releases": \\[ *\\{');
    await tab(page, 7).click();
    await answers(page, '"state": "SUCCEEDED"');
    await page.locator("#listening").click();
    await page.getByRole("region", { name: "Subscriptions" }).getByText("complete").waitFor();
    await page.getByRole("region", { name: "Subscriptions" }).getByText(/^([2-9]|\d\d) events$/).waitFor();
    await picture("graphiql-dark");

    await tab(page, 9).click();
    await run(page);
    await answers(page, '"how": "AUTOMATIC"');
    await tab(page, 10).click();
    await run(page);
    await answers(page, '"frozenCount": 1');
    await tab(page, 11).click();
    await run(page);
    await answers(page, '"sharePack": \\{');
    await tab(page, 12).click();
    await run(page);
    await answers(page, '"kind": "PACK_UNSHARED"');
    await tab(page, 13).click();
    await run(page);
    await answers(page, '"auditLog".*"action": "');
  }));

test("a subscription hears what happens elsewhere, until it is stopped", () =>
  within(`${demo.url}/graphiql`, { viewport: { width: 390, height: 844 } }, async ({ page, picture }) => {
    await mounted(page);
    await tab(page, 14).click();
    await run(page);
    await page.getByText("1 listening").waitFor();
    // Ten days later the windows of releases in the demo's world have opened for Globex.
    await advance(demo, { bySeconds: 10 * 24 * 3600 });
    await answers(page, '"packName"');
    await picture("graphiql-phone");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, "nothing is cut off at the side");
    await run(page);
    await page.getByText("0 listening").waitFor();
  }));
