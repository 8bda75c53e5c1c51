// Bundles the front end: `make web` runs this where npm has put esbuild and wavesurfer.js.
// usage: node build.js FOLDER

import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { build } from "esbuild";

const folder = process.argv[2];
rmSync(folder, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: ["main.js"],
  outdir: folder,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  chunkNames: "[name]-[hash]",
  legalComments: "none", // the licences stand in a file of their own
  metafile: true,
  logLevel: "warning",
});

const bundled = new Set(Object.keys(metafile.inputs).map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean));
const licences = [...bundled].sort().map((name) => {
  const home = join("node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const file = readdirSync(home).find((each) => /^licen[cs]e/i.test(each));
  if (!file) throw new Error(`${name} comes without the text of its licence`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(home, file), "utf8").trim()}\n`;
});
writeFileSync(join(folder, "LICENCES.txt"), `What is bundled here besides synthmatch's own modules:\n\n${licences.join("\n\n")}`);
