import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptState, JobState } from './transitions.ts';
import { recoveryOf, type RecoveryState } from './recovery-state.ts';
import { FIRST_STEP, type StageTask } from './stage.ts';

const tried = (...states: AttemptState[]) => states.map((state) => ({ state, stage: 'implement' as const, epoch: 1 }));

test('held-up work is told to be recovered, waiting for it, or left to a person', () => {
  const cases: [JobState, StageTask | null, AttemptState[], RecoveryState | null][] = [
    ['blocked', 'work', ['finished'], 'none'],
    ['quarantined', null, [], 'none'],
    ['queued', 'work', [], null],
    ['queued', 'fix', ['finished'], 'queued'],
    ['queued', null, ['interrupted'], 'queued'],
    ['preparing', null, ['interrupted'], 'running'],
    ['running', null, ['interrupted', 'running'], 'running'],
    ['running', 'resolve', ['finished', 'running'], 'running'],
    ['running', 'commit', ['running'], 'running'],
    ['running', 'work', ['running'], null],
    ['running', null, ['finished', 'running'], null],
    ['ready', 'fix', ['finished'], null],
    ['failed', null, ['interrupted'], null],
    ['created', 'work', [], null],
  ];
  for (const [state, task, attempts, expected] of cases) {
    const step = { ...FIRST_STEP, task };
    const where = `${state} ${task} ${attempts.join()}`;
    assert.equal(recoveryOf({ state, frozen: false, step }, tried(...attempts)), expected, where);
  }
  const frozen = recoveryOf({ state: 'queued', frozen: true, step: null }, tried('interrupted'));
  assert.equal(frozen, 'none', 'a frozen job waits for a person');
  const [old, now] = tried('interrupted', 'running');
  assert.ok(old !== undefined && now !== undefined);
  const later = recoveryOf({ state: 'running', frozen: false, step: null }, [old, { ...now, epoch: 2 }]);
  assert.equal(later, null, 'another round is no recovery');
});
