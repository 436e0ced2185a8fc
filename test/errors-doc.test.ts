/** docs/errors.md against the table of errors, both ways, read from the page and not from what made it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { ERRORS } from '../src/kernel/errors.ts';

const text = readFileSync(resolve(import.meta.dirname, '../docs/errors.md'), 'utf8');
const documented = new Map(
  text.split('\n').flatMap((line): [string, string[]][] => {
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const code = /^`([a-z-]+)`$/.exec(cells[0] ?? '')?.[1];
    return code === undefined ? [] : [[code, cells.slice(1)]];
  }),
);

describe('docs/errors.md', () => {
  it('has no row for an error that does not exist', () => {
    assert.deepEqual(
      [...documented.keys()].filter((code) => !Object.hasOwn(ERRORS, code)),
      [],
    );
  });

  for (const [code, { title, status, exit, hint }] of Object.entries(ERRORS)) {
    it(`tells of ${code}: meaning, HTTP status, exit code, what to do`, () => {
      assert.deepEqual(documented.get(code), [title, String(status), String(exit), hint]);
    });
  }

  it('explains every exit code in use', () => {
    const line = text.slice(text.indexOf('Exit codes of the command line'));
    for (const { exit } of Object.values(ERRORS)) assert.match(line, new RegExp(`\\b${exit}\\s[a-z]`));
  });
});
