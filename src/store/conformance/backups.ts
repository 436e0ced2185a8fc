import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { accept, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const MADE = { files: 3, bytes: 9, lastSeq: 1, manifestSha256: 'a'.repeat(64), note: null };

/** Backups: one at a time, how each ended, and the copy of the database. */
export function testBackups(open: OpenHarness): void {
  it('records a backup from the wish to its end, one at a time', () =>
    withStore(open, async ({ store, reopen }) => {
      const wish = { path: '/b/one', actor: 'local' };
      const { backup: first } = await store.intendBackup(wish);
      assert.deepEqual([first.state, first.path, first.endedAt], ['making', '/b/one', null]);
      await rejectsWith('state-conflict', store.intendBackup({ path: '/b/two', actor: 'local' }));
      const stored = await reopen();
      assert.deepEqual(await stored.getBackup(first.id), first);
      const made = await stored.moveBackup({ id: first.id, transition: 'finish', actor: 'local', set: MADE });
      assert.deepEqual([made.state, made.files, made.lastSeq], ['made', 3, 1]);
      await rejectsWith('state-conflict', stored.moveBackup({ id: first.id, transition: 'fail', actor: 'local' }));
      await rejectsWith('not-found', stored.moveBackup({ id: 'bak_none', transition: 'fail', actor: 'local' }));
      const { backup: second } = await stored.intendBackup(wish);
      await stored.moveBackup({ id: second.id, transition: 'fail', actor: 'local', set: { note: 'no room' } });
      assert.deepEqual(
        (await stored.listBackups()).map(({ id, state }) => [id, state]),
        [
          [second.id, 'failed'],
          [first.id, 'made'],
        ],
      );
      assert.equal(await stored.getBackup('bak_none'), null);
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));

  it('tells of the backup it was restored from until another start was ready', () =>
    withStore(open, async ({ store }) => {
      const boot = (id: string) =>
        store.recordBoot({
          id,
          previousId: null,
          hostBoot: 'h',
          host: null,
          pid: 1,
          startedAt: 1,
          previousStop: 'unknown',
        });
      await boot('boot_of_the_original');
      await store.updateBoot('boot_of_the_original', { readyAt: 2 });
      const { id } = (await store.intendBackup({ path: '/b', actor: 'local' })).backup;
      assert.equal(await store.findFreshRestore('boot_a'), null);
      await store.moveBackup({ id, transition: 'restore', actor: 'restore', set: { note: 'from /b' } });
      await boot('boot_a');
      assert.equal((await store.findFreshRestore('boot_a'))?.id, id);
      await store.updateBoot('boot_a', { readyAt: 3 });
      assert.equal((await store.findFreshRestore('boot_a'))?.id, id);
      assert.equal(await store.findFreshRestore('boot_b'), null);
    }));

  it('copies one state of itself while writes go on', () =>
    withStore(open, async ({ store }) => {
      const directory = await mkdtemp(join(tmpdir(), 'holdfast-copy-'));
      try {
        await accept(store);
        const { signal } = new AbortController();
        const path = join(directory, 'copy.db');
        let accepted = 0;
        let isDone = false;
        const writing = (async () => {
          while (!isDone) {
            await accept(store);
            accepted++;
            // Answers of a store without a thread of its own would keep everything else from its turn.
            await nextTurn();
          }
        })();
        const copied = await store.copyDatabase(path, signal).finally(() => {
          isDone = true;
        });
        await writing;
        assert.ok(accepted > 0);
        assert.ok(copied.lastSeq >= 1 && copied.lastSeq <= (await store.getLastSeq()));
        assert.equal((await stat(path)).mode & 0o777, 0o600);
        const ended = AbortSignal.abort(new Error('enough'));
        await assert.rejects(store.copyDatabase(join(directory, 'other.db'), ended), /enough/);
      } finally {
        await rm(directory, { recursive: true });
      }
    }));
}
