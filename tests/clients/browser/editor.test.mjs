// GraphiQL in a browser: the demo's story from its first tab to its last, with nothing from elsewhere.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mounted, within } from "../lib/browser.mjs";
import { advance, PUBLISHER, start } from "../lib/demo.mjs";

let demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

const tab = (page, name) => page.getByRole("tab").getByTitle(name, { exact: true });
const run = (page) => page.locator(".graphiql-execute-button").click();

/** The text of an editor, without the line breaks that it adds to show it. */
const text = async (page, where) => (await page.locator(`${where} .view-line`).allTextContents()).join("").replace(/\u00a0/g, " ");

async function answers(page, wanted) {
  await assert.doesNotReject(
    page.waitForFunction(
      (wanted) => {
        const lines = [...document.querySelectorAll(".result-window .view-line")].map((line) => line.textContent);
        return new RegExp(wanted).test(lines.join("").replace(/\u00a0/g, " "));
      },
      wanted,
      { timeout: 20_000 },
    ),
    `the answer doesn't show ${wanted}`,
  ).catch(async (error) => {
    error.message += `, but ${await text(page, ".result-window")}`;
    throw error;
  });
}

test("the editor mounts, knows the schema, and runs a query with the token of its tab", () =>
  within(`${demo.url}/graphiql`, {}, async ({ page, picture }) => {
    await mounted(page);
    const story = [
      "Packs", "Pack", "Preview", "Schedule", "Offers", "ApplyEarly", "Watch", "PastMidnight", "Installations",
      "LeaveBehind", "ShareAgain", "Heard", "Audit", "FollowUpdates",
    ];
    for (const name of story) await tab(page, name).waitFor();
    assert.equal(await page.getByRole("tab").count(), story.length);
    assert.equal(await page.locator("#tokens").inputValue(), PUBLISHER);
    await run(page);
    await answers(page, '"name": "Customer 360"');
    // The schema's own words, from introspection.
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
    await tab(page, "Pack").click();
    await run(page);
    await answers(page, '"name": "Product data hub".*"hasUnreleasedChanges": true');
    await tab(page, "Preview").click();
    await run(page);
    await answers(page, '"nextNumber": 2.*"contentToken"');
    await tab(page, "Schedule").click();
    await run(page);
    await answers(page, '"state": "SCHEDULED"');
    await tab(page, "Offers").click();
    await run(page);
    await answers(page, '"pendingUpdates"');
    await tab(page, "ApplyEarly").click();
    await run(page);
    await answers(page, '"alreadyApplied": false');
    await tab(page, "Watch").click();
    await run(page);
    await answers(page, '"state": "SCHEDULED"');
    await page.getByText("1 listening").waitFor();

    await tab(page, "PastMidnight").click();
    await page.getByText("1 listening").waitFor();
    await run(page);
    await answers(page, '"releases": \\[ *\\{');
    await tab(page, "Watch").click();
    await answers(page, '"state": "SUCCEEDED"');
    await page.locator("#listening").click();
    await page.getByRole("region", { name: "Subscriptions" }).getByText("complete").waitFor();
    await page.getByRole("region", { name: "Subscriptions" }).getByText(/^[3-9] events$/).waitFor();
    await picture("graphiql-dark");

    await tab(page, "Installations").click();
    await run(page);
    await answers(page, '"how": "AUTOMATIC"');
    await tab(page, "LeaveBehind").click();
    await run(page);
    await answers(page, '"frozenCount": 1');
    await tab(page, "ShareAgain").click();
    await run(page);
    await answers(page, '"sharePack": \\{');
    await tab(page, "Heard").click();
    await run(page);
    await answers(page, '"kind": "PACK_UNSHARED"');
    await tab(page, "Audit").click();
    await run(page);
    await answers(page, '"auditLog".*"action": "');
  }));

test("a subscription hears what happens elsewhere, until it is stopped", () =>
  within(`${demo.url}/graphiql`, { viewport: { width: 390, height: 844 } }, async ({ page, picture }) => {
    await mounted(page);
    await tab(page, "FollowUpdates").click();
    await run(page);
    await page.getByText("1 listening").waitFor();
    // Ten days on, releases of the demo's world have opened their windows for Globex.
    await advance(demo, { bySeconds: 10 * 24 * 3600 });
    await answers(page, '"packName"');
    await picture("graphiql-phone");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390, "nothing is cut off at the side");
    await run(page);
    await page.getByText("0 listening").waitFor();
  }));
