import assert from 'node:assert/strict';
import { it } from 'node:test';
import { JOB_CALLBACK_TYPES, type Delivery, type JobCallback } from '../../lifecycle/delivery.ts';
import type { RecoveryReport } from '../../lifecycle/report.ts';
import type { DeliveryRecord, Store } from '../store.ts';
import {
  accept,
  claimNext,
  completeNext,
  launchNext,
  newBoot,
  newReport,
  withStore,
  type OpenHarness,
} from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const A = 'https://a.example/hook';
const B = 'https://b.example/hook';
const all = (url: string): JobCallback => ({ url, events: [...JOB_CALLBACK_TYPES] });
const room = { actor: 'outbox', max: 100, perHost: 100, busy: {} };

async function claim(store: Store, limits: Partial<typeof room> = {}): Promise<Delivery[]> {
  return (await store.claimDeliveries({ ...room, ...limits })).deliveries;
}

function outcome(delivery: Delivery, transition: DeliveryRecord['transition'], extra: Partial<DeliveryRecord> = {}) {
  const ok = transition === 'deliver';
  return {
    id: delivery.id,
    try: delivery.tries,
    transition,
    status: ok ? 200 : 500,
    error: ok ? null : 'answered 500',
    nextAt: null,
    gone: false,
    actor: 'outbox',
    ...extra,
  };
}

async function listAll(store: Store, jobId?: string): Promise<Delivery[]> {
  const { items } = await store.listDeliveries({ limit: 200, ...(jobId === undefined ? {} : { jobId }) });
  return items.toReversed();
}

async function checkWhole(store: Store): Promise<void> {
  assert.deepEqual((await store.checkDeep()).corrupt, []);
  assert.deepEqual((await store.checkLive()).corrupt, []);
}

const REPORT = newReport();

/** Callbacks and the outbox. */
export function testDeliveries(open: OpenHarness): void {
  it('tells each target of the states it asked for, in the transaction of the move', () =>
    withStore(open, async ({ store }) => {
      const callbacks: JobCallback[] = [all(A), { url: B, events: ['job.completed'] }];
      const job = await accept(store, { callbacks });
      assert.deepEqual(job.callbacks, callbacks);
      await completeNext(store);
      const told = await listAll(store, job.id);
      assert.deepEqual(
        told.map(({ url, type }) => [url, type]),
        [
          [A, 'job.queued'],
          [A, 'job.started'],
          [A, 'job.completed'],
          [B, 'job.completed'],
        ],
      );
      const events = await store.listEvents({ after: 0, jobId: job.id, limit: 100 });
      const kinds = events.map(({ kind }) => kind).filter((kind) => !kind.startsWith('attempt.'));
      assert.deepEqual(kinds.slice(0, 3), ['job.accept', 'delivery.create', 'job.claim']);
      assert.deepEqual(kinds.slice(3), [
        'job.launch',
        'delivery.create',
        'job.complete',
        'delivery.create',
        'delivery.create',
      ]);
      const body = JSON.parse(told[2]?.body ?? '') as {
        type: string;
        timestamp: string;
        data: Record<string, unknown>;
      };
      assert.deepEqual([body.type, body.data['id'], body.data['state']], ['job.completed', job.id, 'completed']);
      assert.ok(!told[2]?.body.includes('add a test'), 'the prompt is nobody’s business');
      await checkWhole(store);
    }));

  it('tells nobody of a job without callbacks, of a held job, or of one put back before it ran', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const held = await accept(store, { start: false, callbacks: [all(A)] });
      assert.deepEqual(await listAll(store), []);
      await store.moveJob({ id: held.id, transition: 'start', fence: null, actor: 'local' });
      await completeNext(store);
      const claimed = await claimNext(store);
      assert.equal(claimed.id, held.id);
      await store.moveJob({ id: held.id, transition: 'requeue', fence: claimed.fence, actor: 'owner' });
      assert.deepEqual(
        (await listAll(store)).map(({ type }) => type),
        ['job.queued'],
      );
    }));

  it('gives the deliveries of one job to one url out one after the other', () =>
    withStore(open, async ({ store }) => {
      await accept(store, { callbacks: [all(A), all(B)] });
      await completeNext(store);
      const first = await claim(store);
      assert.deepEqual(
        first.map(({ url, type, state, tries }) => [url, type, state, tries]),
        [
          [A, 'job.queued', 'sending', 1],
          [B, 'job.queued', 'sending', 1],
        ],
      );
      assert.deepEqual(await claim(store), [], 'the others wait');
      const [toA, toB] = first;
      assert.ok(toA && toB);
      await store.recordDelivery(outcome(toA, 'deliver'));
      await store.recordDelivery(outcome(toB, 'retry', { nextAt: Date.now() + 60_000 }));
      const [second, ...rest] = await claim(store);
      assert.deepEqual([second?.url, second?.type, rest], [A, 'job.started', []], 'b waits for its retry');
      assert.ok(second);
      await store.recordDelivery(outcome(second, 'fail'));
      const [third] = await claim(store);
      assert.equal(third?.type, 'job.completed', 'a failed one holds up nobody');
      await checkWhole(store);
    }));

  it('keeps to the room of each host, oldest first, and says when the next is due', () =>
    withStore(open, async ({ store }) => {
      for (let n = 0; n < 5; n++) await accept(store, { callbacks: [all(A)] });
      await accept(store, { callbacks: [all(B)] });
      const held = await claim(store, { perHost: 2, busy: { 'a.example': 1 } });
      assert.deepEqual(
        held.map(({ number, host }) => [number, host]),
        [
          [1, 'a.example'],
          [6, 'b.example'],
        ],
      );
      assert.deepEqual(await claim(store, { max: 0 }), []);
      assert.equal((await claim(store, { max: 2 })).length, 2);
      const [first] = held;
      assert.ok(first);
      const nextAt = Date.now() + 50_000;
      const retrying = await store.recordDelivery(outcome(first, 'retry', { nextAt }));
      assert.deepEqual([retrying.state, retrying.nextAt, retrying.lastStatus], ['retrying', nextAt, 500]);
      await claim(store);
      assert.deepEqual(await store.claimDeliveries(room), { deliveries: [], nextAt });
      const stats = await store.deliveryStats();
      assert.deepEqual(stats.byState, { pending: 0, sending: 5, sent: 0, retrying: 1, failed: 0 });
      assert.equal(stats.oldestUnfinishedAt, first.createdAt);
    }));

  it('takes a record of the newest try only', () =>
    withStore(open, async ({ store }) => {
      await accept(store, { callbacks: [all(A)] });
      const [first] = await claim(store);
      assert.ok(first);
      await store.recordDelivery(outcome(first, 'retry', { nextAt: Date.now() - 1 }));
      const [second] = await claim(store);
      assert.ok(second);
      assert.deepEqual([second.id, second.body, second.tries], [first.id, first.body, 2]);
      await rejectsWith('fenced', store.recordDelivery(outcome(first, 'deliver')));
      await store.recordDelivery(outcome(second, 'deliver'));
      await rejectsWith('state-conflict', store.recordDelivery(outcome(second, 'fail')));
      await rejectsWith('delivery-not-found', store.recordDelivery({ ...outcome(second, 'fail'), id: 'dlv_none' }));
    }));

  it('puts back what a dead server was sending, the same message, the try given back', () =>
    withStore(open, async ({ store, reopen }) => {
      await accept(store, { callbacks: [all(A)] });
      await accept(store, { callbacks: [all(A)] });
      const [first] = await claim(store, { max: 1 });
      assert.ok(first);
      const again = await reopen();
      assert.deepEqual(await claim(again, { busy: { 'a.example': 99 } }).then((list) => list.length), 1);
      assert.deepEqual(await again.returnDeliveries('boot'), { returned: 2, pending: 0, retrying: 0 });
      assert.deepEqual(await again.returnDeliveries('boot'), { returned: 0, pending: 2, retrying: 0 });
      const [resent] = await claim(again, { max: 1 });
      assert.deepEqual([resent?.id, resent?.body], [first.id, first.body]);
      assert.deepEqual([resent?.tries, resent?.roundTries], [2, 1]);
      await checkWhole(again);
    }));

  it('gives up what goes to an url that answered 410, until a redelivery gets through', () =>
    withStore(open, async ({ store }) => {
      await accept(store, { callbacks: [all(A)] });
      const [first] = await claim(store);
      assert.ok(first);
      await store.recordDelivery(outcome(first, 'fail', { status: 410, error: 'answered 410', gone: true }));
      const later = await accept(store, { callbacks: [all(A), all(B)] });
      assert.deepEqual(
        (await claim(store)).map(({ url }) => url),
        [B],
      );
      const [refused] = await listAll(store, later.id);
      assert.deepEqual([refused?.state, refused?.tries], ['failed', 0]);
      assert.match(refused?.lastError ?? '', /disabled.*410/);
      assert.equal((await store.redeliver(first.id, 'local')).state, 'pending');
      const [again] = await claim(store);
      assert.deepEqual([again?.id, again?.body, again?.roundTries, again?.redeliveries], [first.id, first.body, 1, 1]);
      assert.ok(again);
      await store.recordDelivery(outcome(again, 'deliver'));
      await accept(store, { callbacks: [all(A)] });
      assert.equal((await claim(store)).length, 1, 'it is enabled again');
      await checkWhole(store);
    }));

  it('keeps back what a restored home has not sent, each to be redelivered by its id', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { callbacks: [all(A), all(B)] });
      await completeNext(store);
      const [toA, toB] = await claim(store);
      assert.ok(toA && toB);
      await store.recordDelivery(outcome(toA, 'deliver'));
      const keepBack = (limit: number): Promise<number> =>
        store.keepBackDeliveries({ why: 'restored', limit, actor: 'restore' });
      assert.deepEqual([await keepBack(2), await keepBack(4), await keepBack(4)], [2, 3, 0]);
      assert.deepEqual(await claim(store), []);
      const [sent, ...kept] = await listAll(store, job.id);
      assert.deepEqual([sent?.id, sent?.state], [toA.id, 'sent']);
      assert.deepEqual(
        new Set(kept.map(({ state, lastError }) => `${state} ${lastError}`)),
        new Set(['failed restored']),
      );
      await store.redeliver(toB.id, 'ann');
      const [again] = await claim(store);
      assert.deepEqual([again?.id, again?.body], [toB.id, toB.body]);
      await checkWhole(store);
    }));

  it('sends again only what is over, and journals who wanted it', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { callbacks: [all(A)] });
      const [first] = await claim(store);
      assert.ok(first);
      await rejectsWith('state-conflict', store.redeliver(first.id, 'ann'));
      await rejectsWith('delivery-not-found', store.redeliver('dlv_none', 'ann'));
      await store.recordDelivery(outcome(first, 'deliver'));
      await store.redeliver(first.id, 'ann');
      await rejectsWith('state-conflict', store.redeliver(first.id, 'ann'));
      const events = await store.listEvents({ after: 0, jobId: job.id, limit: 100 });
      const last = events.at(-1);
      assert.deepEqual([last?.kind, last?.actor, last?.data['id']], ['delivery.redeliver', 'ann', first.id]);
      await store.requestCancel(job.id, 'local');
      const [queued, cancelled] = await listAll(store);
      assert.ok(queued?.nextAt !== null && cancelled?.nextAt === null, 'what comes later waits behind it');
      await checkWhole(store);
    }));

  it('tells the operator’s urls of the first report of a start', () =>
    withStore(open, async ({ store }) => {
      await store.recordBoot(newBoot('boot_1'));
      await store.updateBoot('boot_1', { readyAt: 5, report: REPORT }, [A, B]);
      await store.updateBoot('boot_1', { report: { ...REPORT, warnings: ['later'] } }, [A, B]);
      await store.updateBoot('boot_1', { stoppedAt: 6 }, [A, B]);
      const told = await claim(store);
      assert.deepEqual(
        told.map(({ url, type, jobId }) => [url, type, jobId]),
        [
          [A, 'server.recovered', null],
          [B, 'server.recovered', null],
        ],
      );
      const body = JSON.parse(told[0]?.body ?? '') as { data: RecoveryReport };
      assert.deepEqual(body.data, REPORT);
      for (const one of told) await store.recordDelivery(outcome(one, 'deliver'));
      await checkWhole(store);
    }));

  it('lists by state and job, newest first, page by page', () =>
    withStore(open, async ({ store }) => {
      const jobs = [];
      for (let n = 0; n < 3; n++) jobs.push(await accept(store, { callbacks: [all(A), all(B)] }));
      const [first] = await claim(store, { max: 1 });
      assert.ok(first);
      await store.recordDelivery(outcome(first, 'fail'));
      const numbers: number[] = [];
      for (let cursor: string | null = null; ;) {
        const page = await store.listDeliveries({ limit: 2, ...(cursor === null ? {} : { cursor }) });
        numbers.push(...page.items.map(({ number }) => number));
        cursor = page.nextCursor;
        if (cursor === null) break;
      }
      assert.deepEqual(numbers, [6, 5, 4, 3, 2, 1]);
      const failed = await store.listDeliveries({ state: 'failed' });
      assert.deepEqual([failed.items.map(({ id }) => id), failed.nextCursor], [[first.id], null]);
      const mine = await store.listDeliveries({ jobId: jobs[1]?.id ?? '', state: 'pending' });
      assert.deepEqual(
        mine.items.map(({ number }) => number),
        [4, 3],
      );
      assert.equal((await store.getDelivery(first.id))?.state, 'failed');
      assert.equal(await store.getDelivery('dlv_none'), null);
    }));

  it('tells of a retry as of a new place in the queue', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { callbacks: [all(A)] });
      const { attempt, job: running } = await launchNext(store);
      const owner = { fence: running.fence, actor: 'owner' };
      await store.settleAttempt(
        { id: attempt.id, transition: 'finish', ...owner },
        { id: job.id, transition: 'fail', ...owner },
      );
      await store.moveJob({ id: job.id, transition: 'retry', fence: null, actor: 'local' });
      assert.deepEqual(
        (await listAll(store)).map(({ type }) => type),
        ['job.queued', 'job.started', 'job.failed', 'job.queued'],
      );
      await checkWhole(store);
    }));
}
