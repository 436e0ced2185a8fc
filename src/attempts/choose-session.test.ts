import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSession, type SessionFacts } from './choose-session.ts';

type Past = SessionFacts['attempts'][number];

const WORKED: Past = { stage: 'implement', epoch: 1, state: 'finished', sessionId: 's', model: null };
const FAILED: Past = { stage: 'verify', epoch: 2, state: 'finished', sessionId: null, model: null };

function find(changes: Partial<SessionFacts>): string | null {
  const facts = { stage: 'fix', task: 'fix', epoch: 2, sessionId: 's', model: null, canResume: true } as const;
  return findSession({ ...facts, attempts: [WORKED, FAILED], ...changes });
}

test('a round of fixing, of committing and of resolving goes on in the session of the work', () => {
  for (const task of ['fix', 'resolve', 'commit'] as const) assert.equal(find({ task }), 's');
  assert.equal(find({ stage: 'implement', task: 'commit', epoch: 1, attempts: [WORKED] }), 's');
  assert.equal(find({ stage: 'implement', task: 'fix', epoch: 5 }), 's');
});

test('work that was cut off goes on in its session; work that is asked for once more begins anew', () => {
  const cut: Past = { ...WORKED, state: 'interrupted' };
  const work = { stage: 'implement', task: 'work', epoch: 1 } as const;
  assert.equal(find({ ...work, attempts: [cut] }), 's');
  assert.equal(find({ ...work, task: null, attempts: [cut, { ...cut, state: 'never_ran' }] }), 's');
  assert.equal(find({ ...work, epoch: 2, attempts: [cut] }), null);
  assert.equal(find({ ...work, attempts: [WORKED] }), null);
});

test('a session is of one job, agent and model, and may have been rejected', () => {
  assert.equal(find({ model: 'another' }), null);
  assert.equal(find({ model: 'm', attempts: [{ ...WORKED, model: 'm' }, FAILED] }), 's');
  assert.equal(find({ sessionId: null }), null);
  assert.equal(find({ canResume: false }), null);
  assert.equal(find({ stage: 'review', task: 'review' }), null);
  assert.equal(find({ attempts: [] }), null);
});

test('an id that was meant for an attempt that never ran is no session', () => {
  const never: Past = { stage: 'fix', epoch: 2, state: 'never_ran', sessionId: 'n', model: null };
  assert.equal(find({ sessionId: 'n', attempts: [WORKED, FAILED, never] }), null);
  // Where the agent chooses the id the attempt has none.
  assert.equal(find({ attempts: [{ ...WORKED, sessionId: null }, FAILED] }), 's');
});
