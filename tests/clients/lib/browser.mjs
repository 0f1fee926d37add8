// Debian's Chromium, and a page in it whose requests and errors are all recorded.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { TARGET } from "./demo.mjs";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
/** How long a page may wait for its last answers, in milliseconds. */
const SETTLED_WITHIN = 30_000;
/** The pictures of a run. */
const FILES = join(TARGET, "ci");

/**
 * Runs a story in a new window on `address`. Fails when the page did something that isn't `expected`; then it keeps a
 * picture.
 */
export async function within(address, { expected, ...options }, story) {
  const window = await open(new URL(address).origin, options);
  try {
    await window.page.goto(address);
    await story(window);
    assert.deepEqual(window.wrong.filter((what) => !expected?.test(what)), []);
  } catch (error) {
    await window.picture("failed");
    throw error;
  } finally {
    await window.close();
  }
}

/** Waits until the editor is ready. Fails when the program was built without it. */
export async function mounted(page) {
  if (await page.locator("textarea#query").count()) throw new Error("the program was built without GraphiQL: the query form is in its place");
  await page.locator(".graphiql-query-editor .view-lines").waitFor();
}

const isWorker = (request) => /\.worker-[^/]*\.js$/.test(request.url());

/** A window on `origin`, with a list of everything that the page did and should not have done. */
async function open(origin, { colorScheme = "light", viewport = { width: 1400, height: 900 }, args = [], ...more } = {}) {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find(existsSync);
  if (!executablePath) throw new Error("there is no Chromium");
  const profile = await mkdtemp(join(tmpdir(), "packwright-browser-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: [...FLAGS, ...args], colorScheme, viewport, ...more });
  const requests = [];
  const wrong = [];
  const open = new Set();
  const see = (url) => {
    requests.push(url);
    if (new URL(url.replace(/^ws/, "http")).origin !== origin) wrong.push(`a request left the origin: ${url}`);
  };
  context.on("request", (request) => {
    // The editor stops a worker right after its start and starts it with other settings. The browser never reports the
    // end of the first script.
    if (isWorker(request)) for (const other of open) if (other.url() === request.url()) open.delete(other);
    open.add(request);
    see(request.url());
  });
  for (const end of ["requestfinished", "requestfailed"]) context.on(end, (request) => open.delete(request));
  context.on("weberror", (error) => wrong.push(`an error on the page: ${error.error()}`));
  context.on("response", (response) => {
    if (response.status() >= 400) wrong.push(`${response.status()} for ${response.url()}`);
  });
  context.on("requestfailed", (request) => wrong.push(`${request.url()} failed: ${request.failure()?.errorText}`));
  // Includes the consoles of workers.
  context.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") wrong.push(`on the console: ${message.text()}`);
  });
  await context.exposeBinding("violated", (_source, what) => wrong.push(`against the policy: ${what}`));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => window.violated(`${violatedDirective} ${blockedURI}`));
  });
  const page = context.pages()[0] ?? (await context.newPage());
  page.on("websocket", (socket) => see(socket.url()));
  return {
    page,
    context,
    requests,
    wrong,
    /** Waits until the page has all its answers. Leaving it earlier would abort the requests. */
    async settled() {
      const begun = Date.now();
      for (let quiet = 0; quiet < 5; quiet = open.size === 0 ? quiet + 1 : 0) {
        await page.waitForTimeout(100);
        const late = [...open].map((request) => `${request.method()} ${request.url()} ${request.postData() ?? ""}`);
        if (Date.now() - begun > SETTLED_WITHIN) throw new Error(`the page has no answer yet to\n${late.join("\n")}`);
      }
    },
    /** Keeps a picture of the page. */
    async picture(name) {
      await mkdir(FILES, { recursive: true });
      await page.screenshot({ path: join(FILES, `${name}.png`) });
    },
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
