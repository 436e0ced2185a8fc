import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptView } from '../../api/contract.ts';
import { listCells } from './matrix.ts';
import { judge } from './prove.ts';
import type { Result, Seen } from './stage.ts';

const RESULT: Result = {
  state: 'ready',
  outcome: 'success',
  reason: null,
  stage: 'handoff',
  ledger: ['2 verify check PASS'],
  finished: ['implement', 'verify'],
  merged: null,
  moves: 0,
};

function attempt(id: string, state: AttemptView['state'] = 'finished'): AttemptView {
  return { id, number: 1, state } as AttemptView;
}

const GOOD: Seen = {
  result: RESULT,
  starts: new Map([
    ['att_1', 1],
    ['att_2', 1],
  ]),
  attempts: [attempt('att_1'), attempt('att_2')],
  wrongEvidence: [],
  kills: 1,
};

test('one thing that is not as it must be, and the line is not held', () => {
  const must = RESULT;
  assert.deepEqual(judge(GOOD, { must, dies: true }), []);
  const bad: [Partial<Seen>, RegExp][] = [
    [{ result: { ...RESULT, state: 'blocked' } }, /state is "blocked"/],
    [{ result: { ...RESULT, ledger: [] } }, /ledger is \[\]/],
    [{ result: { ...RESULT, moves: 2 } }, /moves is 2/],
    [{ starts: new Map([...GOOD.starts, ['att_2', 2]]) }, /att_2 started 2 times/],
    [{ starts: new Map([...GOOD.starts, ['att_3', 1]]) }, /att_3 started and nobody knows it/],
    [{ starts: new Map([['att_1', 1]]) }, /has a result and never started/],
    [{ wrongEvidence: ['a'] }, /evidence a/],
    [{ kills: 0 }, /died 0 times/],
  ];
  for (const [change, message] of bad) {
    assert.match(judge({ ...GOOD, ...change }, { must, dies: true }).join('; '), message);
  }
});

test('every stage is killed at every moment', () => {
  const cells = listCells();
  assert.equal(cells.length, 6 * 5);
  assert.equal(new Set(cells.map(({ stage, moment }) => `${stage} ${moment}`)).size, 30);
});
