/** `npm run docs`: makes the generated blocks of the documents anew from the tables in the code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { DOCUMENTS, renderBlocks } from './documents.ts';

const root = resolve(import.meta.dirname, '..');

for (const document of DOCUMENTS) {
  const path = resolve(root, document);
  const before = readFileSync(path, 'utf8');
  const after = renderBlocks(before);
  if (after !== before) writeFileSync(path, after);
  process.stdout.write(`${document}: ${after === before ? 'up to date' : 'rendered'}\n`);
}
