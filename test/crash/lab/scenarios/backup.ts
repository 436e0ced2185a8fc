import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupView } from '../../../../src/api/contract/backup.ts';
import { checkBackup } from '../../../../src/server/backup.ts';
import { openCopy } from '../../../../src/store/sqlite/read-copy.ts';
import { until } from '../../../support/poll.ts';
import { awaitEnds, awaitOutput, LINES, WORK } from '../agents.ts';
import type { Scenario, Trial } from '../scenario.ts';

const pathOf = ({ world }: Trial): string => join(world.root, 'saved');

/** A backup is made while an agent works and another job has ended. */
export const BACKUP: Scenario = {
  name: 'backup',
  act: async (trial) => {
    const { world } = trial;
    await world.awaitState((await trial.submit('ended', 'say ended')).id, 'completed');
    await trial.submit('working', `${WORK}\nsleep 0.6`);
    await awaitOutput(trial, 'working');
    const asked = await world.api('POST', '/v1/backups', { path: pathOf(trial) });
    if (asked.status !== 202) throw new Error(`backup: ${JSON.stringify(asked.body)}`);
    const { id } = asked.body as BackupView;
    const made = await until('the backup has ended', async () => {
      const { status, body } = await world.api('GET', `/v1/backups/${id}?waitMs=500`);
      return status === 200 && (body as BackupView).state !== 'making' ? (body as BackupView) : null;
    });
    if (made.state === 'made') trial.notes.set('made', id);
  },
  settle: async (trial) => {
    const { world } = trial;
    const { items } = (await world.api('GET', '/v1/backups')).body as { items: BackupView[] };
    const path = pathOf(trial);
    for (const { state } of items) assert.equal(state, existsSync(path) ? 'made' : 'failed');
    // Whoever was told of it finds it, whole, with all that was accepted before.
    if (trial.notes.has('made')) assert.ok(existsSync(path), 'it was made and is gone');
    if (existsSync(path))
      await checkWhole(
        path,
        [...trial.jobs.values()].map(({ id }) => id),
      );
    const left = readdirSync(world.root).filter((name) => name.startsWith('saved.'));
    assert.deepEqual(left, [], 'what was not finished is left');
    await awaitEnds(trial, { ended: ['completed', 0, 'ended\n'], working: ['completed', 0, LINES] });
  },
};

async function checkWhole(path: string, accepted: readonly string[]): Promise<void> {
  await checkBackup({ path, signal: new AbortController().signal, onProgress: () => undefined });
  const copy = openCopy(join(path, 'holdfast.db'));
  try {
    const held = new Set([...copy.jobs()].map(({ id }) => id));
    for (const id of accepted) assert.ok(held.has(id), `job ${id} was accepted before the backup and is not in it`);
  } finally {
    copy.close();
  }
}
