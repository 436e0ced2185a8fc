import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addDemo, makeWorld, openStream, submit } from './api.fixture.ts';
import type { EventView } from './contract.ts';

test('the journal streams live and resumes after any sequence, across servers', async () => {
  await using world = await makeWorld();
  const first = await world.start();
  await addDemo(first.store);
  await submit(first);
  const live = await openStream(first, '/v1/events');
  const boot = await live.frames.next();
  assert.equal(boot.value?.event, 'boot');
  const start = Number(boot.value?.id);
  assert.equal(start, await first.store.getLastSeq());
  const { id } = await submit(first);
  const next = await live.frames.next();
  const event = JSON.parse(next.value?.data ?? '') as EventView;
  assert.deepEqual([next.value?.event, event.kind, event.jobId], ['event', 'job.accept', id]);
  assert.equal(next.value?.id, String(event.seq));
  live.close();
  await first.close();

  const second = await world.start();
  for (let i = 0; i < 250; i++) await submit(second);
  const last = await second.store.getLastSeq();
  for (const [path, lastEventId] of [
    ['/v1/events', String(event.seq)],
    [`/v1/events?after=${event.seq}`, undefined],
    ['/v1/events?after=999999', String(event.seq)],
  ] as const) {
    const resumed = await openStream(second, path, lastEventId === undefined ? {} : { lastEventId });
    const seqs: number[] = [];
    for await (const message of resumed.frames) {
      if (message.event === 'event') seqs.push(Number(message.id));
      if (seqs.at(-1) === last) break;
    }
    resumed.close();
    assert.deepEqual(
      seqs,
      Array.from({ length: last - event.seq }, (_, i) => event.seq + 1 + i),
    );
  }
});
