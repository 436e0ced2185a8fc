/** What an earlier server had started to delete refs with, against real processes. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { test } from 'node:test';
import type { AttemptContext } from '../attempts/context.ts';
import { makeScratch, startStore } from '../store/sqlite/harness.fixture.ts';
import { endLeftDeletions } from './finish-removals.ts';

function startFor(operation: string): ChildProcess {
  return spawn('sleep', ['60'], { stdio: 'ignore', env: { PATH: process.env['PATH'] ?? '', HOLDFAST_OP: operation } });
}

test('what was left deleting for a removal that is due, or an open repair, is dead; nothing else is touched', async () => {
  using scratch = makeScratch();
  await using store = await startStore({ path: scratch.path });
  const target = 'mirror refs/holdfast/job_gone';
  const orphan = { orphanId: 'orp_x', kind: 'ref', target, action: 'delete-refs', actor: 'operator' } as const;
  const repair = await store.intendRepair(orphan);
  const tag = `job_${process.pid}`;
  const due = [startFor(`${tag}due.remove`), startFor(`${repair.id}.repair`)];
  const others = [startFor(`${tag}other.remove`), startFor(`${tag}due.retire`), startFor(`${tag}due.removed`)];
  const ended = due.map((child) => new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))));
  try {
    const quiet = (): void => undefined;
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    await endLeftDeletions({ store, log } as unknown as AttemptContext, [`${tag}due`]);
    assert.deepEqual(await Promise.all(ended), ['SIGKILL', 'SIGKILL']);
    assert.deepEqual(
      others.map(({ exitCode, signalCode }) => [exitCode, signalCode]),
      others.map(() => [null, null]),
    );
  } finally {
    for (const child of [...due, ...others]) child.kill('SIGKILL');
  }
});
