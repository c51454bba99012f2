// What the tools beside this file share: the contract as one text, and the package they look up from the working
// directory (`npm ci` of the package.json here).

import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

// All files of a package in one text: it may name itself once.
export async function contract(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.wit')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  const [packageLine] = texts[0].match(/^package .*;$/m);
  return packageLine + texts.map((text) => text.replace(packageLine, '')).join('\n');
}

export function load(module) {
  const require = createRequire(resolve('package.json'));
  return import(pathToFileURL(require.resolve(`@bytecodealliance/jco-transpile/${module}`)));
}

export function usage(text, wanted) {
  const given = process.argv.slice(2);
  if (given.length !== wanted) {
    console.error(`usage: node ${text}`);
    process.exit(2);
  }
  return given;
}
