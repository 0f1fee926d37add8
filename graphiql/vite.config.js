import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { defineConfig } from "vite";

/** The folders of the packages that are part of the editor and its workers. */
const packages = new Set();

const gather = () => ({
  name: "gather",
  apply: "build",
  moduleParsed({ id }) {
    const found = /^\0?(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id);
    if (found) packages.add(found[1]);
  },
});

/** Collects the packages' licenses in a file beside the editor. */
const licences = () => ({
  name: "licences",
  apply: "build",
  async generateBundle() {
    const notices = await Promise.all([...packages].sort().map(notice));
    this.emitFile({ type: "asset", fileName: "licences.txt", source: notices.join(`\n${"─".repeat(80)}\n\n`) });
  },
});

async function notice(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  return [`${name} ${version}: ${license}\n`, ...texts].join("\n");
}

/** Keeps only the compressed form of each file, which the server stores and sends. */
const compressed = () => ({
  name: "compressed",
  apply: "build",
  async writeBundle({ dir }) {
    const files = await readdir(dir, { recursive: true, withFileTypes: true });
    const each = files.filter((file) => file.isFile()).map(async (file) => {
      const path = join(file.parentPath, file.name);
      await writeFile(`${path}.gz`, await promisify(gzip)(await readFile(path), { level: 9 }));
      await rm(path);
    });
    await Promise.all(each);
  },
});

export default defineConfig({
  // Relative to the page, because a proxy may serve it under a prefix.
  base: "./",
  logLevel: "warn",
  // Keep the names of functions: the editor makes titles for its icons from them, and screen readers read these aloud.
  esbuild: { jsx: "automatic", keepNames: true },
  plugins: [gather(), licences(), compressed()],
  worker: { format: "es", plugins: () => [gather()] },
  build: {
    target: "es2022",
    // Inline nothing: the page's content security policy doesn't allow `data:` fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The editor is one large file, loaded from the user's own server anyway.
    chunkSizeWarningLimit: 8000,
    rollupOptions: {
      onwarn(warning, warn) {
        // Warnings about directives for React server components, which aren't used here.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
});
