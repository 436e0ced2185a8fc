import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phaseOf } from './phase.ts';
import { JOB_STATES, isTerminal } from './transitions.ts';

test('the phase of a job follows from what is durable of it, through every step of its way', () => {
  const way = [
    ['waiting', 'none', false, 'waiting'],
    ['queued', 'none', false, 'waiting'],
    ['preparing', 'none', false, 'waiting'],
    ['preparing', 'none', true, 'preparing'],
    ['preparing', 'preparing', true, 'preparing'],
    ['preparing', 'ready', false, 'ready'],
    ['running', 'ready', false, 'executing'],
  ] as const;
  for (const [state, workspaceState, holdsLock, phase] of way)
    assert.equal(phaseOf({ state, workspaceState }, holdsLock), phase, `${state} ${workspaceState} ${holdsLock}`);
  for (const state of JOB_STATES.filter((one) => isTerminal(one) || one === 'created'))
    assert.equal(phaseOf({ state, workspaceState: 'ready' }, false), null, state);
});
