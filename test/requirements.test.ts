/** docs/requirements.md against the tests it names. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';

const root = resolve(import.meta.dirname, '..');
/** Rows that are promised; a row joins when what it says is built. */
const PROMISED = [
  'B1',
  'B2',
  'B3',
  'B4',
  'B5',
  'B6',
  'B7',
  'B8',
  'B11',
  'B12',
  'B9',
  'B10',
  'B13',
  'B14',
  'B15',
  'B16',
  'B17',
  'B18',
  'B19',
  'B20',
  'B21',
  'B22',
  'M1',
  'M2',
  'M3',
  'M4',
  'M5',
  'M6',
  'M7',
  'M8',
  'M9',
  'M10',
  'M11',
  'N1',
  'N2',
  'N3',
  'N4',
  'N6',
  'P1',
  'P2',
  'P3',
  'P4',
  'P5',
  'P7',
  'P6',
  'P8',
  'P9',
];
const { scripts } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

interface Row {
  row: string;
  promise: string;
  file: string;
  name: string;
  command: string;
}

/** The lines of the table; whatever looks like one and is none fails. */
function readRows(text: string): Row[] {
  return text
    .split('\n')
    .filter((line) => /^\| [A-Z]\d/.test(line))
    .map((line) => {
      const match = /^\| (\w+) +\| (.+?) +\| `([^`]+)`: (.+?) +\| `([^`]+)` +\|$/.exec(line);
      assert.ok(match !== null, `not "row, promise, file: name of a test, command": ${line}`);
      const [, row = '', promise = '', file = '', name = '', command = ''] = match;
      return { row, promise, file, name, command };
    });
}

const rows = readRows(readFileSync(resolve(root, 'docs/requirements.md'), 'utf8'));

describe('docs/requirements.md', () => {
  it('has every row that is promised, and no other', () => {
    assert.deepEqual([...new Set(rows.map(({ row }) => row))].toSorted(), PROMISED.toSorted());
  });

  for (const { row, promise, file, name, command } of rows) {
    it(`${row}, ${promise}: its test and its command exist`, () => {
      assert.ok(existsSync(resolve(root, file)), `${file} does not exist`);
      // The name begins that of a test: a template may fill in what is before it or follows.
      const text = readFileSync(resolve(root, file), 'utf8');
      const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
      const named = new RegExp(`\\b(?:test|it)\\(\\s*['"\`](?:[^'"\`]*\\$\\{[^}]*\\}[^'"\`]{0,3})?${escaped}`);
      assert.match(text, named, `${file} has no test "${name}"`);
      const [, script, tested] = /^npm run (\S+)|^node --test (\S+)$/.exec(command) ?? [];
      assert.ok(
        script === undefined ? existsSync(resolve(root, tested ?? '')) : Object.hasOwn(scripts, script),
        command,
      );
    });
  }
});
