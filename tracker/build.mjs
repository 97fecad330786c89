// Builds the three files and their manifest, and refuses to if one is too large.

import { build } from "esbuild";
import { minify } from "terser";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../src/tallymark/web/dist/tracker");
const budgets = JSON.parse(readFileSync(join(here, "budgets.json"), "utf8"));
const { version, devDependencies } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));

const vitalsVersion = devDependencies["web-vitals"];

const sha = (algorithm, data, encoding) => createHash(algorithm).update(data).digest(encoding);

/** What the files are made from: everything here but what is installed and what is only read. */
function sources(folder = here) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : sources(path);
    return entry.name.endsWith(".md") ? [] : [path];
  });
}

function digest() {
  const lines = sources()
    .map((path) => `${relative(here, path).replaceAll("\\", "/")} ${sha("sha256", readFileSync(path), "hex")}\n`)
    .sort();
  return sha("sha256", lines.join(""), "hex");
}

function told(data) {
  return {
    bytes: data.length,
    gzip: gzipSync(data, { level: 9 }).length,
    integrity: `sha384-${sha("sha384", data, "base64")}`,
  };
}

const about = (name) => {
  const vitals = name === "t.full.js" ? `; with web-vitals ${vitalsVersion}, Google LLC, Apache-2.0` : "";
  return `/* Tallymark ${version} counts the use of this site${vitals} */`;
};
const built = await build({
  entryPoints: Object.keys(budgets).map((name) => join(here, "src", name.replace(/js$/, "ts"))),
  bundle: true,
  write: false,
  format: "iife",
  target: "es2021",
  charset: "utf8",
  legalComments: "none",
  define: { VERSION: JSON.stringify(version) },
  outdir: target,
});

const files = {};
const written = {};
for (const { path, text } of built.outputFiles.sort((a, b) => (a.path < b.path ? -1 : 1))) {
  const name = relative(target, path);
  // A tenth smaller than what the bundler's own minifier makes.
  const small = await minify(text, {
    ecma: 2020,
    compress: { passes: 3, ecma: 2020 },
    format: { preamble: about(name) },
  });
  written[name] = Buffer.from(small.code + "\n");
  files[name] = told(written[name]);
  console.log(`${name}: ${files[name].bytes} bytes, ${files[name].gzip} of ${budgets[name]} in gzip`);
}
const large = Object.keys(files).filter((name) => files[name].gzip > budgets[name]);
if (large.length) {
  console.error(`Too large: ${large.join(", ")}`);
  process.exit(1);
}

// What is released under a version never changes: pages name it together with its hash.
const released = join(target, version);
for (const [name, data] of Object.entries(written)) {
  if (existsSync(released) && !readFileSync(join(released, name)).equals(data)) {
    console.error(`${name} differs from the released ${version}: raise the version in package.json.`);
    process.exit(1);
  }
}

const manifest = { version, sources: digest(), files };
const folders = process.argv.includes("--release") ? [target, released] : [target];
for (const folder of folders) {
  mkdirSync(folder, { recursive: true });
  for (const [name, data] of Object.entries(written)) writeFileSync(join(folder, name), data);
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
}
