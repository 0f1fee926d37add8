// The third tour: an endpoint at the demo's own receiver, whose page shows what comes and checks each signature.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mounted, within } from "../lib/browser.mjs";
import { start } from "../lib/demo.mjs";
import { answers, run, shows, tab } from "../lib/editor.mjs";

let demo;
before(async () => {
  demo = await start();
});
after(() => demo?.stop());

const delivery = (page, signature, type) => page.locator(`li[data-signature="${signature}"] .type`, { hasText: type });

test("the receiver's page shows each event of the tour, and that its signature is right", () =>
  // A page that is loaded again leaves its stream of deliveries.
  within(`${demo.url}/graphiql#webhooks-1`, { expected: /receiver\/deliveries failed: net::ERR_ABORTED$/ }, async ({ page, picture }) => {
    await mounted(page);
    await page.getByRole("tab", { name: "1 Endpoint", exact: true, selected: true }).waitFor();
    const receiver = await page.context().newPage();
    await receiver.goto(`${demo.url}/graphiql/receiver`);
    await receiver.getByText("listening").waitFor();
    await receiver.getByText("Nothing has come yet.").waitFor();
    await shows(page, ".graphiql-editor-tool", `"url": "${demo.url}/graphiql/receiver"`);
    await run(page);
    await answers(page, '"secret": "whsec_');
    await tab(page, "2 Test").click();
    await shows(page, ".graphiql-editor-tool", '"endpointId": "(?!not known yet)');
    await run(page);
    await answers(page, '"status": 204');
    await delivery(receiver, "right", "webhook.test").waitFor();
    await tab(page, "3 An event").click();
    await run(page);
    await answers(page, '"name": "Goods in transit"');
    await delivery(receiver, "right", "pack.created").waitFor();
    await tab(page, "4 Another one").click();
    await shows(page, ".graphiql-editor-tool", '"packId": "(?!not known yet)');
    await run(page);
    await answers(page, '"description": "Where each');
    await delivery(receiver, "right", "pack.updated").waitFor();
    assert.deepEqual(await receiver.locator("#deliveries .type").allTextContents(), ["pack.updated", "pack.created", "webhook.test"]);
    await receiver.locator("#deliveries summary").first().click();
    await receiver.getByText('"kind": "PACK_UPDATED"').waitFor();
    await receiver.locator("#secret").fill("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    await delivery(receiver, "wrong", "pack.updated").waitFor();
    assert.equal(await delivery(receiver, "right", "").count(), 0);
    // A page that is opened later shows what has come, and learns the secret.
    await receiver.reload();
    await delivery(receiver, "right", "pack.updated").waitFor();
    await tab(page, "5 Deliveries").click();
    await run(page);
    await answers(page, '"waitingCount": 0');
    await picture("tour-webhooks");
    // The stream would stay open.
    await receiver.close();
  }));
