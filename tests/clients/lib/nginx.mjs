// An nginx in front of a server, with the configuration in docs/proxies.md.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ROOT } from "./demo.mjs";

const FOLDERS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
const find = (program) => FOLDERS.map((folder) => join(folder, program)).find(existsSync);
const [NGINX, OPENSSL] = ["nginx", "openssl"].map(find);
/** How long nginx may take to start, in milliseconds. */
const START_WITHIN = 20_000;

/** The reason to skip the tests here. Both programs must be installed where all tests must run. */
export const missing = !(NGINX && OPENSSL) && process.env.CI !== "true" && "there is no nginx or no openssl here";

/** The host name in the configuration. */
export const HOST = "api.example.com";

/** The page's configuration, with this run's port and files. Each replaced text must exist. */
async function lines(own) {
  const page = await readFile(join(ROOT, "docs/proxies.md"), "utf8");
  const blocks = [...page.matchAll(/```nginx\n(.*?)```/gs)].map(([, text]) => text);
  if (blocks.length !== 2) throw new Error(`docs/proxies.md has ${blocks.length} blocks for nginx, not one for a server and one for a path`);
  const [server, path] = blocks;
  let text = server.replace(/\}\n$/, `\n${path}}\n`);
  for (const [theirs, ours] of Object.entries(own)) {
    if (!text.includes(theirs)) throw new Error(`docs/proxies.md doesn't say ${theirs}`);
    text = text.replaceAll(theirs, ours);
  }
  return text;
}

/** Listens on a port of the loopback interface with TLS and its own certificate, in front of the server at `target`. */
export async function proxy(port, target) {
  if (!NGINX || !OPENSSL) throw new Error("nginx and openssl are needed");
  const folder = await mkdtemp(join(tmpdir(), "packwright-nginx-"));
  const [key, certificate] = ["key", "pem"].map((name) => join(folder, `packs.${name}`));
  const self = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", `/CN=${HOST}`];
  execFileSync(OPENSSL, [...self, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  const site = await lines({
    "listen 443 ssl": `listen 127.0.0.1:${port} ssl`,
    "127.0.0.1:8080": new URL(target).host,
    "/etc/ssl/packs.pem": certificate,
    "/etc/ssl/packs.key": key,
  });
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${join(folder, name)};`);
  const file = join(folder, "nginx.conf");
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  await writeFile(file, `${user}pid ${join(folder, "pid")};\nevents {}\nhttp {\naccess_log off;\n${places.join("\n")}\n${site}}\n`);
  const child = spawn(NGINX, ["-p", folder, "-e", "stderr", "-c", file, "-g", "daemon off;"], { stdio: ["ignore", "ignore", "pipe"] });
  const said = [];
  child.stderr.on("data", (text) => said.push(text));
  const ended = once(child, "exit");
  const end = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (const begun = Date.now(); !(await listens(port)); await pause(50)) {
    if (child.exitCode === null && Date.now() - begun < START_WITHIN) continue;
    await end();
    throw new Error(`nginx doesn't listen: ${said.join("")}`);
  }
  return { url: `https://${HOST}:${port}`, stop: end };
}

function listens(port) {
  return new Promise((told) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => (socket.destroy(), told(true)));
    socket.once("error", () => told(false));
  });
}
