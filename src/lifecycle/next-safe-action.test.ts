import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandOf, nextSafeAction } from './next-safe-action.ts';
import { JOB_STATES, canMoveJob } from './transitions.ts';

test('an action that names a transition is one the table allows', () => {
  for (const state of JOB_STATES) {
    const action = nextSafeAction({ state, reason: null });
    if (action === 'start' || action === 'retry') assert.ok(canMoveJob(state, action), `${action} from ${state}`);
    if (action === 'none') assert.equal(commandOf(action, 7), null);
    else assert.match(commandOf(action, 7) ?? '', / 7$/, `${action} of ${state} has a command`);
  }
});

test('a job blocked by its configuration says so, and is retried once that is mended', () => {
  assert.equal(nextSafeAction({ state: 'queued', reason: 'free_disk', frozen: true }), 'unfreeze');
  assert.equal(commandOf('unfreeze', 3), 'holdfast unfreeze 3');
  assert.equal(nextSafeAction({ state: 'running', reason: null, frozen: true }), 'wait');
  assert.equal(nextSafeAction({ state: 'blocked', reason: 'fix_config' }), 'fix_config');
  assert.equal(commandOf('fix_config', 3), 'holdfast retry 3');
  assert.equal(nextSafeAction({ state: 'blocked', reason: 'crash_loop' }), 'retry');
});
