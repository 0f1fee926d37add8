// GraphiQL behind nginx as in docs/proxies.md: with TLS, at the root and under a prefix that nginx removes.
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
  // Clients send the port too, because it isn't the default port of https.
  demo = await start(["--demo", "--public-host", `${HOST}:${port}`, "--trusted-proxies", "127.0.0.1"]);
  nginx = await proxy(port, demo.url);
});
after(async () => {
  await nginx?.stop();
  await demo?.stop();
});

// Each test begins with a new world.
beforeEach(() => missing || ask(demo, GLOBEX, "mutation { demoReset { now } }"));

/** A window that resolves the name to this machine and accepts the test's certificate. */
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
