import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  callbackTypeOf,
  canMoveDelivery,
  DELIVERY_STATES,
  DELIVERY_TRANSITIONS,
  JOB_CALLBACK_TYPES,
  renderJobCallback,
  type DeliveryState,
  type DeliveryTransition,
} from './delivery.ts';
import type { Job } from './job.ts';
import { JOB_STATES, JOB_TRANSITIONS } from './transitions.ts';

const ROWS = Object.entries(DELIVERY_TRANSITIONS) as [
  DeliveryTransition,
  { from: readonly DeliveryState[]; to: DeliveryState; cause: string },
][];

describe('the delivery table', () => {
  it('knows only states that exist, each once per row, and says why', () => {
    for (const [transition, { from, to, cause }] of ROWS) {
      for (const state of [...from, to]) assert.ok(DELIVERY_STATES.includes(state), `${transition}: ${state}`);
      assert.equal(new Set(from).size, from.length, transition);
      assert.match(cause, /^[a-z].{10,}[^.]$/, transition);
    }
  });

  it('sends nothing that is over, and leaves what is over by an operator alone', () => {
    for (const state of DELIVERY_STATES) {
      assert.equal(canMoveDelivery(state, 'send'), state === 'pending' || state === 'retrying', state);
      if (state !== 'sent' && state !== 'failed') continue;
      const ways = ROWS.filter(([, { from }]) => from.includes(state)).map(([name]) => name);
      assert.deepEqual(ways, ['redeliver'], state);
    }
  });

  it('can come to an end from every state', () => {
    const seen = new Set<DeliveryState>(['pending']);
    for (const state of seen) for (const [, { from, to }] of ROWS) if (from.includes(state)) seen.add(to);
    assert.deepEqual([...seen].toSorted(), [...DELIVERY_STATES].toSorted());
    const ends = (state: DeliveryState): boolean =>
      ROWS.some(([, { from, to }]) => from.includes(state) && to !== state);
    for (const state of DELIVERY_STATES) assert.ok(ends(state), state);
  });
});

describe('what a move is told as', () => {
  it('is nothing for a note, for work behind the scenes, and for a job put back before it ran', () => {
    for (const state of JOB_STATES) assert.equal(callbackTypeOf(state, state), null, state);
    assert.equal(callbackTypeOf('queued', 'preparing'), null);
    assert.equal(callbackTypeOf(null, 'created'), null);
    assert.equal(callbackTypeOf(null, 'waiting'), null);
    assert.equal(callbackTypeOf('blocked', 'waiting'), null);
    assert.equal(callbackTypeOf('waiting', 'queued'), 'job.queued');
    assert.equal(callbackTypeOf('preparing', 'queued'), null);
    assert.equal(callbackTypeOf('running', 'queued'), 'job.queued');
  });

  it('is a type a client may ask for, for every end of a job', () => {
    for (const { from, to } of Object.values(JOB_TRANSITIONS)) {
      const type = callbackTypeOf(from[0], to);
      if (type !== null) assert.ok(JOB_CALLBACK_TYPES.includes(type), to);
      if (['completed', 'failed', 'cancelled', 'timed_out', 'blocked'].includes(to)) assert.equal(type, `job.${to}`);
    }
  });
});

describe('the body of a message', () => {
  it('holds no prompt, no command and no path, and a blocker only so long', () => {
    const job = {
      id: 'job_1',
      number: 1,
      repository: 'app',
      promptSha256: 'abc',
      command: ['secret-word'],
      agent: 'exec',
      pipeline: 'implement',
      stage: 'implement',
      state: 'blocked',
      outcome: null,
      reason: 'needs_human',
      blocker: 'x'.repeat(5000),
      exitCode: null,
      attempts: 1,
      epoch: 1,
      priority: 0,
      principal: 'token:ci',
      sessionId: 'session-word',
      createdAt: 0,
      queuedAt: 1,
      startedAt: 2,
      finishedAt: null,
      version: 4,
    } as unknown as Job;
    const body = renderJobCallback('job.blocked', job, 1000);
    const parsed = JSON.parse(body) as { type: string; timestamp: string; data: Record<string, unknown> };
    assert.deepEqual([parsed.type, parsed.timestamp], ['job.blocked', '1970-01-01T00:00:01.000Z']);
    assert.deepEqual([parsed.data['nextSafeAction'], String(parsed.data['blocker']).length], ['retry', 1000]);
    for (const word of ['secret-word', 'session-word', 'token:ci', 'abc']) assert.ok(!body.includes(word), word);
  });
});
