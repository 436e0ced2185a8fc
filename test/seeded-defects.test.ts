import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { renderSeededDefects } from './crash/render-seeded-defects.ts';
import { SEEDED_DEFECTS } from './crash/seeded-defects.ts';

const root = resolve(import.meta.dirname, '..');

test('every seeded defect still fits the code, and its test is there', () => {
  for (const { what, edits, file, test: name } of SEEDED_DEFECTS) {
    for (const edit of edits) {
      const found = readFileSync(join(root, edit.file), 'utf8').split(edit.find).length - 1;
      assert.equal(found, 1, `"${what}": ${edit.file} holds this ${found} times: ${edit.find}`);
    }
    const path = join(root, file);
    assert.ok(existsSync(path) && readFileSync(path, 'utf8').includes(name.split(' ')[0] ?? ''), `${file}: ${name}`);
  }
});

test('the page lists what is seeded', () => {
  const page = readFileSync(join(root, 'docs/seeded-defects.md'), 'utf8');
  assert.equal(page, renderSeededDefects(SEEDED_DEFECTS), 'run `node scripts/seed-defects.ts --write`');
});
