// Makes a component of a core module that was compiled with the bindings in sdk/c. The same as
// `wasm-tools component embed WIT core.wasm --world WORLD | wasm-tools component new`.

import { readFile, writeFile } from 'node:fs/promises';

import { contract, load, usage } from './wit.mjs';

const [wit, world, core, out] = usage('componentize.mjs WIT-FOLDER WORLD core.wasm out.wasm', 4);
const { componentEmbed, componentNew } = await load('wasm-tools');
const [binary, witSource] = [await readFile(core), await contract(wit)];
const embedded = await componentEmbed({ binary, witSource, world, stringEncoding: 'utf8' });
await writeFile(out, await componentNew(embedded, []));
