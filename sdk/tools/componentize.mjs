// Makes a component of a core module that was compiled with the bindings in `generated`:
//     node sdk/tools/componentize.mjs WIT-FOLDER WORLD core.wasm out.wasm
// The same as `wasm-tools component embed WIT core.wasm --world WORLD | wasm-tools component new`.
// The package is looked up from the working directory: `npm ci` of the package.json beside this file.

import { readFile, readdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [wit, world, core, out] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: node componentize.mjs WIT-FOLDER WORLD core.wasm out.wasm');
  process.exit(2);
}
const require = createRequire(resolve('package.json'));
const { componentEmbed, componentNew } = await import(
  pathToFileURL(require.resolve('@bytecodealliance/jco-transpile/wasm-tools'))
);
// One text for all files of the package: it may name itself once.
const files = (await readdir(wit)).filter((name) => name.endsWith('.wit')).sort();
const texts = await Promise.all(files.map((name) => readFile(join(wit, name), 'utf8')));
const [packageLine] = texts[0].match(/^package .*;$/m);
const witSource = packageLine + texts.map((text) => text.replace(packageLine, '')).join('\n');

const binary = await readFile(core);
const embedded = await componentEmbed({ binary, witSource, world, stringEncoding: 'utf8' });
await writeFile(out, await componentNew(embedded, []));
