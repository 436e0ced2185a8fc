import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JournalEvent } from '../store/store.ts';
import { summarise } from './histogram.ts';
import { BEGIN, countAll, Journal } from './journal.fixture.ts';
import { MAX_GROUPS, Tally, type Group } from './tally.ts';

async function count(journal: Journal, agent = 'exec'): Promise<Group> {
  return countAll(await journal.events()).getGroup('app', agent) ?? assert.fail('nothing was counted');
}

function medians({ stages }: Group): (number | null)[] {
  return Object.values(stages).map((histogram) => summarise(histogram)?.p50Ms ?? null);
}

describe('what is counted of a job', () => {
  it('is the time of each stage and of all together, by repository and agent', async () => {
    await using journal = await Journal.open();
    await journal.play({ waiting: 3, preparing: 5, running: 11 });
    await journal.play({ waiting: 3, preparing: 5, running: 12 }, 'other');
    const group = await count(journal);
    assert.deepEqual(group.ended, { success: 1, failure: 0, cancelled: 0, timed_out: 0 });
    assert.deepEqual(medians(group), [3, 5, 11, 19]);
    assert.deepEqual(medians(await count(journal, 'other')), [3, 5, 12, 20]);
  });

  it('is the sum of all visits when an attempt was interrupted', async () => {
    await using journal = await Journal.open();
    await journal.accept();
    for (const [waiting, running, end] of [
      [1, 4, 'interrupt'],
      [2, 8, 'complete'],
    ] as const) {
      journal.now += waiting;
      const job = await journal.launch((await journal.claim()) ?? assert.fail());
      journal.now += running;
      await journal.settle(job, end);
    }
    assert.deepEqual(medians(await count(journal)), [3, 0, 12, 15]);
  });

  it('leaves out the stage somebody cut short, and counts the one before it', async () => {
    await using journal = await Journal.open();
    await journal.store.requestCancel((await journal.accept()).id, 'test');
    const held = await journal.accept('app', 'exec', false);
    await journal.store.requestCancel(held.id, 'test');
    await journal.accept();
    journal.now += 7;
    const running = await journal.launch((await journal.claim()) ?? assert.fail());
    await journal.settle(running, 'cancel');
    const group = await count(journal);
    assert.deepEqual(group.ended, { success: 0, failure: 0, cancelled: 3, timed_out: 0 });
    assert.deepEqual(medians(group), [7, 0, null, null]);
  });

  it('is counted for every round of a job: a retry begins anew', async () => {
    await using journal = await Journal.open();
    const job = await journal.play({ waiting: 0, preparing: 0, running: 2 });
    await journal.accept();
    const failed = await journal.settle(await journal.launch((await journal.claim()) ?? assert.fail()), 'fail');
    journal.now += 500;
    await journal.store.moveJob({ id: failed.id, transition: 'retry', fence: null, actor: 'test' });
    journal.now += 9;
    await journal.settle(await journal.launch((await journal.claim()) ?? assert.fail()), 'complete');
    const group = await count(journal);
    assert.equal(job.state, 'completed');
    assert.deepEqual(group.ended, { success: 2, failure: 1, cancelled: 0, timed_out: 0 });
    assert.deepEqual(
      [...group.stages.waiting],
      [
        [0, 2],
        [9, 1],
      ],
    );
  });

  it('leaves out a span that ends before it begins, or is longer than can be', async () => {
    await using journal = await Journal.open();
    await journal.play({ waiting: 5, preparing: 1, running: -60_000 });
    await journal.play({ waiting: 5, preparing: 1, running: 400 * 86_400_000 });
    journal.now = BEGIN;
    const group = await count(journal);
    assert.deepEqual(medians(group), [5, 1, null, null]);
    assert.deepEqual(group.leftOut, { downtime: 0, clock: 2 });
    assert.equal(group.ended.success, 2);
  });
});

describe('a server that was down', () => {
  /** Three jobs: one waits, one is about to start, one runs; then the server dies and starts again. */
  async function crash(journal: Journal, found: 'by the start' | 'later'): Promise<Group> {
    await journal.boot();
    await journal.ready();
    await journal.accept();
    const running = await journal.launch((await journal.claim()) ?? assert.fail());
    await journal.accept();
    journal.now += 10;
    await journal.boot();
    if (found === 'by the start') await journal.settle(running, 'complete');
    await journal.ready();
    if (found === 'later') await journal.settle(running, 'complete');
    await journal.settle(await journal.launch((await journal.claim()) ?? assert.fail()), 'complete');
    return count(journal);
  }

  it('leaves out the wait that saw it, and counts the run of an agent that went on', async () => {
    await using journal = await Journal.open();
    const group = await crash(journal, 'later');
    assert.deepEqual(
      [...group.stages.running],
      [
        [10, 1],
        [0, 1],
      ],
    );
    assert.deepEqual([...group.stages.waiting], [[0, 1]]);
    assert.deepEqual([...group.stages.whole], [[10, 1]]);
    assert.deepEqual(group.leftOut, { downtime: 1, clock: 0 });
  });

  it('leaves out a run whose end was found by the start: nobody saw when it was', async () => {
    await using journal = await Journal.open();
    const group = await crash(journal, 'by the start');
    assert.deepEqual([...group.stages.running], [[0, 1]]);
    assert.deepEqual(group.leftOut, { downtime: 2, clock: 0 });
    assert.equal(group.ended.success, 2);
  });
});

describe('the memory of a tally', () => {
  function ended(seq: number, agent: string): JournalEvent[] {
    const base = { at: seq, actor: 'x', subject: `job-${seq}`, jobId: `job-${seq}`, attemptId: null, hash: '' };
    return [
      { ...base, seq, kind: 'job.accept', data: { repository: 'app', agent, state: 'queued' } },
      { ...base, seq: seq + 1, kind: 'job.cancel', data: { state: 'cancelled', outcome: 'cancelled' } },
    ];
  }

  it('is bounded: the group that counted nothing for longest joins the others, and no count is lost', () => {
    const tally = new Tally();
    const agents = Array.from({ length: MAX_GROUPS + 10 }, (_, index) => `agent-${index}`);
    let seq = 1;
    for (const agent of ['agent-0', ...agents, 'agent-1']) {
      for (const event of ended(seq, agent)) tally.take(event);
      seq += 2;
    }
    const { groups, other } = tally.state;
    assert.equal(groups.length, MAX_GROUPS);
    assert.equal(groups.at(-1)?.agent, 'agent-1');
    assert.equal(tally.getGroup('app', 'agent-0'), null);
    const all = [...groups, other].reduce((sum, group) => sum + group.ended.cancelled, 0);
    assert.equal(all, MAX_GROUPS + 12);
  });

  it('takes no event twice, and is not thrown off by a damaged one', () => {
    const events = ended(1, 'a');
    const tally = countAll([...events, ...events]);
    assert.equal(tally.getGroup('app', 'a')?.ended.cancelled, 1);
    const [accepted, cancelled] = ended(3, 'a');
    assert.ok(accepted !== undefined && cancelled !== undefined);
    for (const event of [{ ...accepted, data: { damaged: true } }, cancelled]) tally.take(event);
    assert.equal(tally.getGroup('app', 'a')?.ended.cancelled, 1);
    assert.equal(tally.throughSeq, 4);
  });
});
