/** docs/crash-matrix.md against the failpoints and the tests it names, both ways. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { FAILPOINTS } from '../src/kernel/failpoints.ts';
import { listPlans } from './crash/failpoint-plans.ts';
import { LEAST, listMissing, PART, renderLeast } from './crash/lab/least.ts';
import { SCENARIOS } from './crash/lab/scenarios.ts';

const root = resolve(import.meta.dirname, '..');
const SWEEP = 'test/crash/failpoint-sweep.test.ts';

interface MatrixRow {
  step: string;
  failpoint: string;
  after: string;
  tests: string[];
}

/** Rows of every table whose second column is a failpoint. */
function readMatrix(text: string): MatrixRow[] {
  return text.split('\n').flatMap((line) => {
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const [step = '', name = '', after = '', tests = ''] = cells;
    const failpoint = /^`([a-z]+\.[a-z-]+)`$/.exec(name)?.[1];
    if (cells.length !== 4 || failpoint === undefined) return [];
    return [{ step, failpoint, after, tests: tests.split(',').map((path) => path.trim()) }];
  });
}

const page = readFileSync(resolve(root, 'docs/crash-matrix.md'), 'utf8');
const matrix = readMatrix(page);

describe('docs/crash-matrix.md', () => {
  it('has one row for every failpoint, and no other', () => {
    assert.deepEqual(matrix.map(({ failpoint }) => failpoint).toSorted(), [...FAILPOINTS].toSorted());
  });

  for (const { step, failpoint, after, tests } of matrix) {
    it(`${failpoint}: says what must hold, and names tests that kill there`, () => {
      assert.ok(step.length > 10 && after.length > 10);
      assert.ok(tests.includes(SWEEP), 'the sweep takes every name');
      for (const test of tests) {
        assert.ok(existsSync(resolve(root, test)), `${test} does not exist`);
        if (test === SWEEP) continue;
        const text = readFileSync(resolve(root, test), 'utf8');
        assert.ok(text.includes(`'${failpoint}`) || text.includes(`\`${failpoint}`), `${test} never arms ${failpoint}`);
      }
    });
  }
});

describe('the sweep', () => {
  it('takes every failpoint', () => {
    assert.deepEqual(new Set(listPlans('all').map(({ point }) => point)), new Set(FAILPOINTS));
    assert.match(readFileSync(resolve(root, SWEEP), 'utf8'), /of listPlans\(size\)/);
  });

  it('takes, in every run, some of every kind', () => {
    const kinds = new Set(listPlans('sample').map(({ point }) => point.split('.')[0]));
    assert.deepEqual(kinds, new Set(FAILPOINTS.map((point) => point.split('.')[0])));
  });
});

describe('the crash lab', () => {
  it('is held to what the page promises of a full run', () => {
    const table = page.split('| part | what it does | at least, with `--all` |')[1]?.split('\n\n')[0] ?? '';
    const rows = [...table.matchAll(/^\| (\w[^|]*) \|.*\| ([^|]*) \|$/gm)].map(([, part, least]) => [part, least]);
    const parts = [...new Set(LEAST.map(({ part }) => part))];
    assert.deepEqual(
      rows,
      parts.map((part) => [part, renderLeast(part)]),
    );
  });

  it('has failed when it did less, whichever part that was', () => {
    const results = Object.values(PART).map((name) => ({ name, tried: 0, counts: {}, violations: [], seconds: 0 }));
    assert.equal(listMissing(results).length, LEAST.length);
    const [, ...others] = results.map((one) => ({ ...one, tried: 1e6, counts: { 'distinct states': 1e6 } }));
    assert.deepEqual(
      listMissing(others).map((text) => text.split(':')[0]),
      ['kill sweep', 'power cuts'],
    );
  });

  it('plays every scenario the page names, and no other', () => {
    const named = page.split('The scenarios: ')[1]?.split('. ')[0] ?? '';
    const names = [...named.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
    assert.deepEqual(new Set(names), new Set(SCENARIOS.map(({ name }) => name)));
  });
});

describe('the reader of the matrix', () => {
  it('sees rows, and nothing else', () => {
    const text =
      '| step | failpoint | after | tests |\n| --- | --- | --- | --- |\n| a | `store.x` | b | c, d |\n| a | b | c |';
    assert.deepEqual(readMatrix(text), [{ step: 'a', failpoint: 'store.x', after: 'b', tests: ['c', 'd'] }]);
  });
});
