import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  describeDependency,
  describeFailure,
  judgeDependency,
  standBehind,
  type Dependency,
  type DependencyVerdict,
} from './dependency.ts';
import type { Reason } from './job.ts';
import { JOB_STATES, isTerminal, type JobState } from './transitions.ts';

function dependency(number: number, state: JobState | null, reason: Reason | null = null): Dependency {
  return { id: `job_${number}`, number, state, reason, frozen: false };
}

test('what a job waits for has ended well, never will, or may still', () => {
  const verdicts = new Map<JobState | null, DependencyVerdict>([
    [null, 'failed'],
    ['completed', 'met'],
    ['ready', 'met'],
    ['failed', 'failed'],
    ['cancelled', 'failed'],
    ['timed_out', 'failed'],
  ]);
  for (const state of [null, ...JOB_STATES]) {
    const expected = verdicts.get(state) ?? 'pending';
    assert.equal(judgeDependency({ state, reason: null }), expected, String(state));
    if (state !== null && isTerminal(state)) assert.notEqual(expected, 'pending', state);
  }
  assert.equal(judgeDependency({ state: 'ready', reason: 'push_failed' }), 'met', 'it is handed off all the same');
  for (const reason of ['manual_review', 'merge_held', 'empty_merge'] as const)
    assert.equal(judgeDependency({ state: 'ready', reason }), 'pending', reason);
});

test('a job stands behind all that have not ended well, and the first that failed says why it cannot begin', () => {
  const [met, alive, failed, gone] = [
    dependency(1, 'completed'),
    dependency(2, 'blocked', 'gate_blocked'),
    dependency(3, 'timed_out'),
    dependency(4, null),
  ];
  assert.deepEqual(standBehind([]), { open: [], alive: [], failure: null });
  assert.deepEqual(standBehind([met]), { open: [], alive: [], failure: null });
  assert.deepEqual(standBehind([alive, met]), { open: ['job_2'], alive: ['job_2'], failure: null });
  assert.deepEqual(standBehind([gone, met, failed, alive]), {
    open: ['job_4', 'job_3', 'job_2'],
    alive: ['job_2'],
    failure: 'job 4, after which it comes, was removed',
  });
});

test('is told in words', () => {
  assert.equal(
    describeFailure({ id: 'job_x', number: null, state: null }),
    'job job_x, after which it comes, was removed',
  );
  assert.equal(describeFailure(dependency(3, 'failed')), 'job 3, after which it comes, failed');
  assert.equal(describeFailure(dependency(3, 'timed_out')), 'job 3, after which it comes, timed out');
  const told = [
    dependency(1, 'created'),
    dependency(1, 'running'),
    { ...dependency(1, 'queued', 'free_disk'), frozen: true },
    dependency(1, 'blocked', 'gate_blocked'),
    dependency(1, 'ready', 'manual_review'),
  ].map(describeDependency);
  assert.deepEqual(told, [
    'it comes after that one, which is held',
    'it comes after that one, which is running',
    'it comes after that one, which is queued, frozen',
    'it comes after that one, which is blocked (gate_blocked)',
    'it comes after that one, which is ready (manual_review)',
  ]);
});
