import assert from 'node:assert/strict';
import { test } from 'node:test';
import pc from 'picocolors';
import { compare, isProof, type Measurements } from './perform.ts';
import { renderMeasurements } from './render.ts';

const good: Measurements = {
  agent: 'exec',
  serverPid: { before: 1, after: 2 },
  agentPid: { before: 3, after: 3 },
  sameProcess: true,
  bytes: { beforeKill: 10, whileDown: 5, total: 30, lost: 0, repeated: 0 },
  starts: 1,
  startsCountedBy: 'process',
  exitCode: 0,
  state: 'completed',
  outcome: 'reattached',
  reattachMs: 300,
  recoveryMs: 200,
};

test('what was written is compared with what was received, byte by byte', () => {
  const compared = (written: string, received: string): [number, number] => {
    const { lost, repeated } = compare(Buffer.from(written), Buffer.from(received));
    return [lost, repeated];
  };
  assert.deepEqual(compared('abc', 'abc'), [0, 0]);
  assert.deepEqual(compared('abc', 'ab'), [1, 0]);
  assert.deepEqual(compared('abc', 'abcc'), [0, 1]);
  assert.deepEqual(compared('abc', 'abbc'), [1, 2]);
  assert.deepEqual(compared('abc', ''), [3, 0]);
});

test('one measurement that is not as promised, and the demo has failed', () => {
  const colours = pc.createColors(false);
  assert.equal(isProof(good), true);
  assert.match(renderMeasurements(good, colours), /✓ The server died/);
  const bad: Partial<Measurements>[] = [
    { sameProcess: false },
    { starts: 2 },
    { starts: 0 },
    { exitCode: null },
    { exitCode: 1 },
    { outcome: 'restarted_cold' },
    { outcome: null },
    { bytes: { ...good.bytes, lost: 1 } },
    { bytes: { ...good.bytes, repeated: 1 } },
    { bytes: { ...good.bytes, whileDown: 0 } },
  ];
  for (const change of bad) {
    const measured = { ...good, ...change };
    assert.equal(isProof(measured), false, JSON.stringify(change));
    const table = renderMeasurements(measured, colours);
    assert.match(table, / ✗\n[^]*✗ This is not what Holdfast promises/, JSON.stringify(change));
  }
});
