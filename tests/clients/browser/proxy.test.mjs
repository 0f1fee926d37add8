// GraphiQL behind nginx as docs/proxies.md sets it up: by TLS, at the root and under a path that nginx takes away.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { mounted, within } from "../lib/browser.mjs";
import { advance, ask, freePort, GLOBEX, start } from "../lib/demo.mjs";
import { answers, run, STEPS, tab } from "../lib/editor.mjs";
import { HOST, missing, proxy } from "../lib/nginx.mjs";

let demo, nginx;
before(async () => {
  if (missing) return;
  const port = await freePort();
  // Clients name the port too: it is not that of https.
  demo = await start(["--demo", "--public-host", `${HOST}:${port}`, "--trusted-proxies", "127.0.0.1"]);
  nginx = await proxy(port, demo.url);
});
after(async () => {
  await nginx?.stop();
  await demo?.stop();
});

// Each begins in the world as it was at the start.
beforeEach(() => missing || ask(demo, GLOBEX, "mutation { demoReset { now } }"));

/** A window that finds the name here, and takes the certificate of this run. */
const WINDOW = { ignoreHTTPSErrors: true, args: [`--host-resolver-rules=MAP ${HOST} 127.0.0.1`] };

for (const [place, path] of [["at the root", ""], ["under a path", "/packwright"]]) {
  test(`${place} the editor loads, runs a query, and hears a subscription`, { skip: missing }, () =>
    within(`${nginx.url}${path}/`, WINDOW, async ({ page, requests }) => {
      await mounted(page);
      assert.equal(page.url(), `${nginx.url}${path}/graphiql`, "the address of the place leads to the editor");
      assert.deepEqual(await page.getByRole("tab").allTextContents(), STEPS);
      await run(page);
      await answers(page, '"name": "Customer 360"');
      await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
      await page.locator(".graphiql-doc-explorer").getByText("Subscription", { exact: true }).waitFor();
      await tab(page, 14).click();
      await run(page);
      await page.getByText("1 listening").waitFor();
      assert.equal(await page.locator("#tokens").inputValue(), GLOBEX);
      await advance(demo, { bySeconds: 10 * 24 * 3600 });
      await answers(page, '"packName"');
      const outside = requests.filter((address) => !new URL(address).pathname.startsWith(`${path}/`));
      assert.deepEqual(outside, [], "nothing is asked for beside the path");
    }));
}
