import assert from 'node:assert/strict';
import { it } from 'node:test';
import { accept, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const REQUEST = { principal: 'local', key: 'k', sha256: 'a'.repeat(64) };
const OTHER = { ...REQUEST, sha256: 'b'.repeat(64) };
const STRANGER = { ...OTHER, principal: 'somebody' };

/** Requests that come twice: what the first made is known by its key, also by the next server. */
export function testRepeated(open: OpenHarness): void {
  it('makes one token for a repeated request, and cannot show it again', () =>
    withStore(open, async ({ store, reopen }) => {
      const add = (hash: string, request: typeof REQUEST) => ({ name: 'ci', sha256: hash.repeat(64), request });
      const token = await store.addToken(add('1', REQUEST));
      const stored = await reopen();
      await rejectsWith('token-shown', stored.addToken(add('2', REQUEST)));
      await rejectsWith('idempotency-conflict', stored.addToken(add('2', OTHER)));
      assert.notEqual((await stored.addToken(add('3', STRANGER))).id, token.id);
      assert.equal((await stored.listTokens()).length, 2);
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));

  it('gives the first account for a repeated request, with its first secret', () =>
    withStore(open, async ({ store, reopen }) => {
      const add = { name: 'ann', secret: 'SECRET-1', actor: 'local', request: REQUEST };
      const account = await store.addAccount(add);
      const stored = await reopen();
      assert.deepEqual(await stored.addAccount({ ...add, secret: 'SECRET-2' }), account);
      assert.equal((await stored.findAccount('ann'))?.secret, 'SECRET-1');
      await rejectsWith('idempotency-conflict', stored.addAccount({ ...add, request: OTHER }));
      await rejectsWith('already-exists', stored.addAccount({ ...add, request: STRANGER }));
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));

  it('begins one backup for a repeated request, also when it has ended', () =>
    withStore(open, async ({ store, reopen }) => {
      const wish = { path: '/b/one', actor: 'local', request: REQUEST };
      const { backup, replayed } = await store.intendBackup(wish);
      assert.deepEqual([replayed, backup.request], [false, REQUEST]);
      assert.deepEqual(await store.intendBackup(wish), { backup, replayed: true });
      await store.moveBackup({ id: backup.id, transition: 'fail', actor: 'local', set: { note: 'no room' } });
      const stored = await reopen();
      assert.equal((await stored.intendBackup(wish)).backup.state, 'failed');
      assert.equal((await stored.findAskedBackup(REQUEST))?.id, backup.id);
      await rejectsWith('idempotency-conflict', stored.findAskedBackup(OTHER));
      await rejectsWith('idempotency-conflict', stored.intendBackup({ ...wish, request: OTHER }));
      assert.equal(await stored.findAskedBackup(STRANGER), null);
      assert.notEqual((await stored.intendBackup({ path: '/b/two', actor: 'local' })).backup.id, backup.id);
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));

  it('gives the first resource for a repeated request, also after its removal', () =>
    withStore(open, async ({ store, reopen }) => {
      const job = await accept(store);
      const thing = { kind: 'container', target: 'db', facts: { engineId: 'a' }, identity: 'a' } as const;
      const add = { ...thing, jobId: job.id, principal: 'local', request: REQUEST };
      const { id } = await store.addResource(add);
      await store.moveResource({ id, transition: 'forget', note: null, actor: 'local' });
      await store.requestCancel(job.id, 'local');
      const stored = await reopen();
      assert.equal((await stored.findRegistered(REQUEST))?.id, id);
      assert.deepEqual(await stored.addResource(add), await stored.getResource(id));
      await rejectsWith('idempotency-conflict', stored.findRegistered(OTHER));
      await rejectsWith('idempotency-conflict', stored.addResource({ ...add, request: OTHER }));
      assert.equal(await stored.findRegistered(STRANGER), null);
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));
}
