import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import { BATCH_STATUSES, statesOf, statusOf } from './status.ts';

test('every state has a status, and is found again by it', () => {
  assert.deepEqual(Object.fromEntries(JOB_STATES.map((state) => [state, statusOf(state)])), {
    created: 'created',
    waiting: 'queued',
    queued: 'queued',
    preparing: 'gitpulling',
    running: 'running',
    blocked: 'failed',
    quarantined: 'failed',
    ready: 'completed',
    completed: 'completed',
    failed: 'failed',
    cancelled: 'cancelled',
    timed_out: 'timeout',
  });
  const found = BATCH_STATUSES.flatMap((status) => statesOf(status));
  assert.deepEqual(found.toSorted(), [...JOB_STATES].toSorted());
  assert.deepEqual(statesOf('failed'), ['blocked', 'quarantined', 'failed']);
});
