import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SURFACE_WINDOW } from '../../lifecycle/surface.ts';
import { NOTHING_SPENT, type Step } from '../../lifecycle/stage.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { JobMove, NewJob, Store } from '../store.ts';
import { accept, newAttempt, newRepository, reload, withStore, type OpenHarness } from './fixtures.ts';

const STEP: Step = { gate: 'test', task: null, candidate: 'c'.repeat(40), merge: null, spent: NOTHING_SPENT };

/** Accepts a job of the whole pipeline that may touch these paths. */
function acceptScope(store: Store, surface: string[], more: Partial<NewJob> = {}): Promise<Job> {
  return accept(store, { pipeline: 'full', surface, ...more });
}

async function claim(store: Store, max = 9): Promise<number[]> {
  const claimed = await store.claimJobs({ boot: 'boot_a', hostLimit: 99, max });
  return claimed.map(({ number }) => number);
}

/** Makes the attempt of a claimed job. */
async function launch(store: Store, { id }: Job): Promise<void> {
  await store.intendAttempt(newAttempt(await reload(store, { id })));
}

async function move(store: Store, { id }: Job, more: Pick<JobMove, 'transition'> & Partial<JobMove>): Promise<Job> {
  const { fence } = await reload(store, { id });
  return store.moveJob({ id, fence, actor: 'owner', ...more });
}

/** Who holds a surface in `app`, and who waits for one. */
async function told(store: Store): Promise<{ holders: number[]; waiting: number[] }> {
  const line = (await store.listSurfaces()).find(({ repository }) => repository === 'app');
  const numbers = (jobs: readonly { number: number }[] = []) => jobs.map(({ number }) => number);
  return { holders: numbers(line?.holders), waiting: numbers(line?.waiting) };
}

/** Surfaces: of two jobs that may touch the same, one works at a time. */
export function testSurfaces(open: OpenHarness): void {
  it('lets no two work at once that may touch the same, in the order of the queue, and all others beside them', () =>
    withStore(open, async ({ store }) => {
      await store.updateRepository('app', { concurrency: 9 }, 'local');
      await store.addRepository(newRepository({ name: 'lib', concurrency: 9 }));
      const first = await acceptScope(store, ['src/api/**']);
      await acceptScope(store, ['src/**']);
      await acceptScope(store, ['src/web/**']);
      await acceptScope(store, ['docs']);
      await acceptScope(store, ['src/api/**'], { repository: 'lib' });
      await accept(store);
      assert.deepEqual(await claim(store), [1, 4, 5, 6], 'neither who overlaps nor who would pass one that waits');
      assert.deepEqual(await told(store), { holders: [1, 4], waiting: [2, 3] });
      assert.deepEqual(await claim(store), []);
      await launch(store, first);
      await move(store, first, { transition: 'fail', set: { reason: 'exit_code' } });
      assert.deepEqual(await claim(store), [2]);
      assert.deepEqual(await told(store), { holders: [2, 4], waiting: [3] });
    }));

  it('keeps a surface between two stages, through a restart, and while its job is frozen', () =>
    withStore(open, async ({ store, reopen }) => {
      const first = await acceptScope(store, ['a']);
      const second = await acceptScope(store, ['a/b'], { priority: 5 });
      await store.freezeJob({ id: second.id, frozen: true, actor: 'local' });
      assert.deepEqual(
        await claim(store),
        [1],
        'a frozen one that has not begun waits for nothing and holds up nobody',
      );
      await launch(store, first);
      await store.freezeJob({ id: second.id, frozen: false, actor: 'local' });
      const set = { stage: 'verify', step: STEP } as const;
      await move(store, first, { transition: 'advance', set });
      await store.freezeJob({ id: first.id, frozen: true, actor: 'local' });
      assert.deepEqual(await claim(store), [], 'whatever its priority, it waits for one that has begun');
      const stored = await reopen();
      assert.deepEqual(await claim(stored), []);
      assert.deepEqual(await told(stored), { holders: [1], waiting: [2] });
      await stored.freezeJob({ id: first.id, frozen: false, actor: 'local' });
      assert.deepEqual(await claim(stored), [1]);
      await launch(stored, first);
      await move(stored, first, { transition: 'interrupt' });
      assert.deepEqual(await claim(stored), [1], 'an interrupted one goes on');
    }));

  it('frees it where a job is blocked, and gives it back in its turn', () =>
    withStore(open, async ({ store }) => {
      const first = await acceptScope(store, ['a']);
      const second = await acceptScope(store, ['a']);
      assert.deepEqual(await claim(store), [1]);
      await launch(store, first);
      const blocked = { reason: 'gate_blocked', blocker: 'the gate is not there' } as const;
      await move(store, first, { transition: 'block', set: { ...blocked, stage: 'verify', step: STEP } });
      assert.deepEqual(await claim(store), [2]);
      await store.moveJob({ id: first.id, transition: 'retry', fence: null, actor: 'local' });
      assert.deepEqual(await claim(store), [], 'at the stage it is at, too');
      assert.deepEqual(await told(store), { holders: [2], waiting: [1] });
      await launch(store, second);
      await move(store, second, { transition: 'fail' });
      assert.deepEqual(await claim(store), [1]);
    }));

  it('gives a reopened job its slot in the order of the queue', () =>
    withStore(open, async ({ store }) => {
      const jobs = [await acceptScope(store, ['a']), await acceptScope(store, ['b'])];
      assert.deepEqual(await claim(store), [1, 2]);
      for (const job of jobs) await launch(store, job);
      const [first, second] = jobs;
      assert.ok(first !== undefined && second !== undefined);
      const set = { stage: 'verify', step: STEP } as const;
      await move(store, first, { transition: 'block', set: { ...set, reason: 'gate_blocked', blocker: 'gone' } });
      await store.moveJob({ id: first.id, transition: 'retry', fence: null, actor: 'local' });
      await move(store, second, { transition: 'advance', set });
      assert.deepEqual(await claim(store), [2], 'it stands before the one that was reopened');
      assert.deepEqual(await claim(store), [], 'one at a time tests');
      await launch(store, second);
      await move(store, second, { transition: 'fail' });
      assert.deepEqual(await claim(store), [1]);
    }));

  it('keeps it while the attempt a job was quarantined with may live', () =>
    withStore(open, async ({ store }) => {
      const first = await acceptScope(store, ['a']);
      await acceptScope(store, ['a']);
      await claim(store);
      const { attempt } = await store.intendAttempt(newAttempt(await reload(store, first)));
      const aside = { transition: 'quarantine', fence: 1, actor: 'recovery' } as const;
      const set = { reason: 'record_corrupt', blocker: 'its claim is torn' } as const;
      await store.settleAttempt({ ...aside, id: attempt.id }, { ...aside, id: first.id, set });
      assert.deepEqual(await claim(store), []);
      assert.deepEqual(await told(store), { holders: [1], waiting: [2] });
      await store.releaseJob(first.id, 'local');
      assert.deepEqual(await claim(store), [2], 'what was released waits its turn');
    }));

  it('of a quarantined job without an attempt at work holds up nobody', () =>
    withStore(open, async ({ store }) => {
      const first = await acceptScope(store, ['a']);
      await acceptScope(store, ['a']);
      const set = { reason: 'record_corrupt', blocker: 'torn' } as const;
      await store.moveJob({ id: first.id, transition: 'quarantine', fence: null, set, actor: 'recovery' });
      assert.deepEqual(await claim(store), [2]);
    }));

  it('is not had by a job of several repositories, nor by one without paths', () =>
    withStore(open, async ({ store }) => {
      await store.addRepository(newRepository({ name: 'lib' }));
      const several = await acceptScope(store, ['a'], { pipeline: 'implement', others: ['lib'] });
      const none = await acceptScope(store, []);
      const held = await acceptScope(store, ['a', 'a', ' a ']);
      assert.deepEqual([several.surface, none.surface, held.surface], [null, null, ['a']]);
      assert.deepEqual(await claim(store), [1, 2, 3]);
    }));

  it('looks at the first that wait only; who is behind them begins when they have', () =>
    withStore(open, async ({ store }) => {
      await store.updateRepository('app', { concurrency: 9 }, 'local');
      const first = await acceptScope(store, ['a']);
      for (let n = 0; n < SURFACE_WINDOW; n++) await acceptScope(store, ['a']);
      await acceptScope(store, ['b']);
      const last = SURFACE_WINDOW + 2;
      assert.deepEqual(await claim(store), [1]);
      assert.deepEqual(await claim(store), []);
      await store.requestCancel((await reload(store, first)).id, 'local');
      await move(store, first, { transition: 'cancel' });
      assert.deepEqual(await claim(store, 1), [2]);
      assert.deepEqual(await claim(store), [last]);
    }));
}
