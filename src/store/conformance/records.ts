import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KEPT_BOOTS } from '../../lifecycle/report.ts';
import { accept, completeNext, newBoot, newReport, newRepository, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

/** A moment no test reaches. */
const FAR = 8_000_000_000_000;

/** Repositories, locks, starts and tokens. */
export function testRecords(open: OpenHarness): void {
  it('registers, changes and removes a repository', () =>
    withStore(open, async ({ store }) => {
      const input = newRepository({
        name: 'lib',
        command: ['make'],
        verify: [['make', 'test'], ['true']],
        merge: true,
      });
      const { repository: added } = await store.addRepository(input);
      assert.deepEqual([added.command, added.verify, added.merge], [input.command, input.verify, true]);
      assert.deepEqual([added.cloneState, added.unavailable, added.version], ['registered', null, 1]);
      await rejectsWith('already-exists', store.addRepository(input));
      const changed = await store.updateRepository('lib', { cloneState: 'ready', base: 'dev', command: null }, 'local');
      assert.deepEqual([changed.cloneState, changed.base, changed.command, changed.version], ['ready', 'dev', null, 2]);
      assert.deepEqual(await store.updateRepository('lib', { base: 'dev' }, 'local'), changed, 'nothing differs');
      assert.deepEqual(
        (await store.listRepositories()).map(({ name }) => name),
        ['app', 'lib'],
      );
      await rejectsWith('repository-not-found', store.updateRepository('nowhere', {}, 'local'));
      await store.removeRepository('lib', 'local');
      assert.equal(await store.getRepository('lib'), null);
      await rejectsWith('repository-not-found', store.removeRepository('lib', 'local'));
      assert.deepEqual(await store.listRemovals(), [added.id], 'its files are due');
      await store.finishRemoval(added.id);
      await store.finishRemoval(added.id);
      assert.deepEqual(await store.listRemovals(), []);
      await rejectsWith('not-found', store.finishRemoval('repo_none'));
      const { repository: again } = await store.addRepository(input);
      assert.notEqual(again.id, added.id);
    }));

  it('answers the same registration with the first repository, another under its key with a conflict', () =>
    withStore(open, async ({ store }) => {
      const request = { principal: 'local', key: 'k', sha256: 'a'.repeat(64) };
      const input = newRepository({ name: 'lib', request });
      const replies = await Promise.all([store.addRepository(input), store.addRepository(input)]);
      assert.deepEqual(
        replies.map(({ repository, replayed }) => [repository.id, replayed]),
        [false, true].map((replayed) => [replies[0]?.repository.id, replayed]),
      );
      const other = { ...request, sha256: 'b'.repeat(64) };
      await rejectsWith('idempotency-conflict', store.addRepository(newRepository({ name: 'x', request: other })));
      const stranger = { ...other, principal: 'somebody' };
      assert.equal((await store.addRepository(newRepository({ name: 'x', request: stranger }))).replayed, false);
    }));

  it('keeps a repository while something of it is unfinished', () =>
    withStore(open, async ({ store }) => {
      const lock = { key: 'repo:app', boot: 'b', holder: { pid: 1, start: '1' }, operation: 'op_1', jobId: null };
      const held = await store.acquireLock(lock);
      await rejectsWith('repository-busy', store.removeRepository('app', 'local'));
      await store.releaseLock('repo:app', held?.fence ?? 0);
      const job = await accept(store, { start: false });
      await rejectsWith('repository-busy', store.removeRepository('app', 'local'));
      await store.requestCancel(job.id, 'local');
      await store.removeRepository('app', 'local');
      assert.equal((await store.getJob(job.id))?.repository, 'app', 'its finished jobs stay');
    }));

  it('gives a lock to one holder at a time, each time under a newer fence', () =>
    withStore(open, async ({ store }) => {
      const lock = { key: 'repo:app', boot: 'boot_a', holder: { pid: 1, start: '1' }, jobId: null };
      const taken = await Promise.all(
        ['op_1', 'op_2', 'op_3'].map((operation) => store.acquireLock({ ...lock, operation })),
      );
      assert.deepEqual(
        taken.map((one) => one?.operation),
        ['op_1', undefined, undefined],
      );
      const [first] = taken;
      assert.ok(first);
      assert.deepEqual(await store.acquireLock({ ...lock, operation: 'op_1' }), first, 'its holder may ask again');
      assert.deepEqual(await store.listLocks(), [first]);
      await store.releaseLock('repo:app', first.fence);
      const job = await accept(store);
      const second = await store.acquireLock({ ...lock, operation: 'op_2', jobId: job.id });
      assert.ok(second && second.fence > first.fence);
      await store.releaseLock('repo:app', first.fence);
      assert.deepEqual(await store.listLocks(), [second], 'an older fence lets nothing go');
      const kinds = (await store.listEvents({ after: 0, jobId: job.id, limit: 10 })).map(({ kind }) => kind);
      assert.deepEqual(kinds, ['job.accept', 'lock.acquire']);
      await store.releaseLock('repo:app', second.fence);
      assert.deepEqual(await store.listLocks(), []);
      await rejectsWith('repository-not-found', store.acquireLock({ ...lock, key: 'repo:no', operation: 'op_4' }));
    }));

  it('keeps the newest starts in their order, whatever the clock said', () =>
    withStore(open, async ({ store }) => {
      const year = 365 * 86_400_000;
      for (let n = 1; n <= KEPT_BOOTS + 2; n++) {
        const startedAt = 1_700_000_000_000 + (n % 2 === 0 ? year : 0);
        await store.recordBoot(newBoot(`boot_${n}`, { startedAt, previousId: n === 1 ? null : `boot_${n - 1}` }));
      }
      const boots = await store.listBoots();
      assert.deepEqual(
        boots.map(({ id }) => id),
        Array.from({ length: KEPT_BOOTS }, (_, index) => `boot_${KEPT_BOOTS + 2 - index}`),
      );
      await rejectsWith('already-exists', store.recordBoot(newBoot('boot_5')));
      await rejectsWith('not-found', store.updateBoot('boot_1', { readyAt: 1 }));
      const report = newReport({
        bootId: 'boot_12',
        previousBootId: 'boot_11',
        phases: [{ name: 'store', ms: 1, ok: true, retries: 0 }],
        warnings: ['a "quoted" warning'],
      });
      await store.updateBoot('boot_12', { report, previousStop: 'crash', readyAt: 5 });
      await store.updateBoot('boot_12', { stoppedAt: 6 });
      const [newest] = await store.listBoots();
      assert.deepEqual(newest, {
        ...newBoot('boot_12', { startedAt: 1_700_000_000_000 + year, previousId: 'boot_11', previousStop: 'crash' }),
        readyAt: 5,
        stoppedAt: 6,
        report,
      });
    }));

  it('keeps tokens by hash and revokes them once', () =>
    withStore(open, async ({ store }) => {
      const token = await store.addToken({ name: 'ci', sha256: 'c'.repeat(64) });
      assert.equal(token.revokedAt, null);
      await rejectsWith('already-exists', store.addToken({ name: 'other', sha256: 'c'.repeat(64) }));
      const revoked = await store.revokeToken(token.id);
      assert.ok(revoked.revokedAt !== null);
      assert.deepEqual(await store.revokeToken(token.id), revoked);
      assert.deepEqual(await store.listTokens(), [revoked]);
      await rejectsWith('not-found', store.revokeToken('tok_none'));
      assert.deepEqual(await store.findToken('c'.repeat(64)), revoked);
      assert.equal(await store.findToken('d'.repeat(64)), null);
    }));

  it('keeps accounts whose secret no event tells, and ends their logins with them', () =>
    withStore(open, async ({ store }) => {
      const account = await store.addAccount({ name: 'ann', secret: 'SECRET-1', actor: 'local' });
      await rejectsWith('already-exists', store.addAccount({ name: 'ann', secret: 'x', actor: 'local' }));
      assert.deepEqual(await store.findAccount('ann'), { account, secret: 'SECRET-1' });
      assert.equal(await store.findAccount('Ann'), null);
      const login = { accountId: account.id, sha256: 'e'.repeat(64), expiresAt: FAR };
      const token = await store.addLogin(login);
      assert.deepEqual([token.name, token.accountId, token.expiresAt], ['ann', account.id, login.expiresAt]);
      const revoked = await store.revokeAccount(account.id, 'local');
      assert.deepEqual(await store.revokeAccount(account.id, 'local'), revoked);
      assert.ok((await store.findToken(token.sha256))?.revokedAt !== null, 'its login ended with it');
      assert.equal(await store.findAccount('ann'), null);
      await rejectsWith('unauthorised', store.addLogin({ ...login, sha256: 'f'.repeat(64) }));
      await rejectsWith('not-found', store.revokeAccount('acc_none', 'local'));
      const second = await store.addAccount({ name: 'ann', secret: 'SECRET-2', actor: 'local' });
      assert.deepEqual(await store.listAccounts(), [revoked, second], 'the name is free again');
      assert.doesNotMatch(JSON.stringify(await store.listEvents({ after: 0, limit: 100 })), /SECRET/);
      assert.deepEqual((await store.checkLive()).corrupt, []);
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('drops expired logins at the next one', () =>
    withStore(open, async ({ store }) => {
      const { id: accountId } = await store.addAccount({ name: 'ann', secret: 's', actor: 'local' });
      const hand = await store.addToken({ name: 'ci', sha256: 'a'.repeat(64) });
      await store.addLogin({ accountId, sha256: 'b'.repeat(64), expiresAt: 1 });
      const kept = await store.addLogin({ accountId, sha256: 'c'.repeat(64), expiresAt: FAR });
      // Both may be of the same millisecond: then nothing says which came first.
      const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
      assert.deepEqual(await store.listTokens(), [hand, kept].toSorted(byId));
      assert.deepEqual(await store.listRemovals(), [], 'nothing of them is due');
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('tells sizes and timings', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      await completeNext(store);
      const stats = await store.stats();
      assert.equal(stats.lastSeq, await store.getLastSeq());
      assert.ok(stats.databaseBytes > 0 && stats.commits >= 5);
      assert.ok(stats.commitMsP50 > 0 && stats.commitMsP99 >= stats.commitMsP50);
    }));
}
