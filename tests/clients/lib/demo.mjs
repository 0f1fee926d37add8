// A demo server of the built program, on a free port, for the tests in a file.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The demo's tokens. */
export const PUBLISHER = "demo-publisher-admin";
export const SUPPORT = "demo-publisher-support";
export const ACME = "demo-acme-admin";
export const GLOBEX = "demo-globex-admin";

/** The root of the repository. This file is below it, and so is its compiled form. */
let root = new URL(".", import.meta.url);
while (!existsSync(new URL("Cargo.lock", root))) root = new URL("..", root);
export const ROOT = fileURLToPath(root);

export const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");
export const PROGRAM = process.env.PACKWRIGHT_PROGRAM ?? `${TARGET}/debug/packwright`;
const START_WITHIN = 60_000;
/** How long an answer may take, in milliseconds. It is longer than the server's own limit. */
const ANSWER_WITHIN = 60_000;

/** Starts a server, by default on a free port; `more` are further options of `serve`. */
export async function start(more = ["--demo"], environment = {}, port = 0) {
  const child = spawn(PROGRAM, ["serve", "--listen", `127.0.0.1:${port}`, ...more], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const said = [];
  child.stderr.on("data", (text) => said.push(text));
  const url = await new Promise((started, reject) => {
    const fail = (why) => reject(new Error(`${PROGRAM} ${why}:\n${said.join("")}`));
    const timer = setTimeout(fail, START_WITHIN, "doesn't start");
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`ended with ${code}`));
    child.stdout.on("data", (text) => {
      said.push(text);
      const found = /GraphQL\s+(http:\S+)\/graphql/.exec(said.join(""));
      if (!found) return;
      clearTimeout(timer);
      child.removeAllListeners("exit");
      started(found[1]);
    });
  });
  return {
    url,
    endpoint: `${url}/graphql`,
    socket: `${url.replace(/^http/, "ws")}/graphql`,
    async stop() {
      if (child.exitCode !== null) throw new Error(`the server has ended by itself:\n${said.join("")}`);
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** A free port. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Runs a document with `token`. Returns the data, and throws on errors. */
export async function ask({ endpoint }, token, query, variables = {}) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(ANSWER_WITHIN),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Moves the demo's clock. */
export async function advance(demo, input) {
  const { demoAdvanceClock } = await ask(
    demo,
    PUBLISHER,
    "mutation ($input: DemoAdvanceClockInput!) { demoAdvanceClock(input: $input) { now errors { code message } } }",
    { input },
  );
  if (demoAdvanceClock.errors.length > 0) throw new Error(JSON.stringify(demoAdvanceClock.errors));
  return demoAdvanceClock.now;
}

export const nodes = (connection) => connection.edges.map((edge) => edge.node);
