import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTerminal, JOB_STATES } from '../lifecycle/transitions.ts';
import { exitOfState, worstExit } from './job-exit.ts';

test('every state has its exit code: ended 0 or 7, needs a person 8, goes on null', () => {
  const codes = Object.fromEntries(JOB_STATES.map((state) => [state, exitOfState(state)]));
  assert.deepEqual(codes, {
    created: null,
    waiting: null,
    queued: null,
    preparing: null,
    running: null,
    blocked: 8,
    quarantined: 8,
    ready: 0,
    completed: 0,
    failed: 7,
    cancelled: 7,
    timed_out: 7,
  });
  for (const state of JOB_STATES) if (isTerminal(state)) assert.notEqual(exitOfState(state), null, state);
  assert.equal(exitOfState('ready', 'merge_held'), 8, 'handed off for a person to look at');
});

test('of several jobs the worst end decides', () => {
  assert.equal(worstExit([]), 0);
  assert.equal(worstExit([0, 0]), 0);
  assert.equal(worstExit([0, 8]), 8);
  assert.equal(worstExit([8, 7, 0]), 7);
});
