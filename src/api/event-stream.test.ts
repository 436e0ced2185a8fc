import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../kernel/clock.ts';
import { addDemo, makeServer, makeWorld, openStream, submit, until, type Running } from './api.fixture.ts';
import type { EventView } from './contract.ts';
import { EventFeed } from './event-feed.ts';
import { streamEvents } from './event-stream.ts';
import { OpenStream } from './open-stream.ts';
import { Pacer } from './pacer.ts';
import { DEFAULT_STREAM_LIMITS } from './stream-limits.ts';

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

/** Makes frames as a route would, for a client that takes them when the test says so. */
class Reader {
  readonly seqs: number[] = [];
  readonly stream = new OpenStream({ clock: systemClock, limits: DEFAULT_STREAM_LIMITS, ordinal: 0 });
  readonly #frames: AsyncGenerator<string | Buffer, void>;
  #next: Promise<void> | null = null;

  constructor(running: Running, feed: EventFeed, pacer: Pacer) {
    this.#frames = streamEvents(running.services, { start: 0, tools: { stream: this.stream, feed, pacer } });
  }

  /** Asks for one more page, unless one is being waited for. */
  take(): void {
    this.#next ??= this.#read();
  }

  async #read(): Promise<void> {
    const { value } = await this.#frames.next();
    const text = value?.toString() ?? '';
    for (const [, id] of text.matchAll(/^id: (\d+)\nevent: event$/gm)) this.seqs.push(Number(id));
    this.#next = null;
  }

  async leave(): Promise<void> {
    this.stream.leave();
    await this.#next;
    await this.#frames.return();
  }
}

test('readers as slow as they like, a memory as small as one event: each event comes once, in order', async () => {
  await using running = await makeServer();
  const { store } = running;
  const { id } = await submit(running, { start: false });
  const step = fc.oneof(fc.record({ commits: fc.integer({ min: 1, max: 6 }) }), fc.record({ takes: fc.nat(3) }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.integer({ min: 1, max: 8 }),
      async (steps, backlogEvents) => {
        const pacer = new Pacer();
        const feed = new EventFeed({ store, pacer, backlogEvents });
        const readers = Array.from({ length: 4 }, () => new Reader(running, feed, pacer));
        for (const one of steps) {
          if ('takes' in one) readers[one.takes]?.take();
          else {
            const notes = Array.from({ length: one.commits }, (_, n) =>
              store.noteJob({ id, fence: null, set: { blocker: `note ${n} of ${Math.random()}` }, actor: 'test' }),
            );
            if (steps.length % 2 === 0) await Promise.all(notes);
          }
        }
        const last = await store.getLastSeq();
        const expected = (await listSeqs(running)).filter((seq) => seq <= last);
        for (const reader of readers) {
          await until('everything to be read', () => {
            reader.take();
            return (reader.seqs.at(-1) ?? 0) >= last;
          });
          assert.deepEqual(reader.seqs.slice(0, expected.length), expected);
          await reader.leave();
        }
      },
    ),
    { numRuns: 25, endOnFailure: true },
  );
});

async function listSeqs({ store }: Running): Promise<number[]> {
  const seqs: number[] = [];
  for (;;) {
    const page = await store.listEvents({ after: seqs.at(-1) ?? 0, limit: 1000 });
    if (page.length === 0) return seqs;
    seqs.push(...page.map(({ seq }) => seq));
  }
}

test('live streams read the store not once, however many they are', async () => {
  await using running = await makeServer();
  const { store } = running;
  const readings = await Promise.all(Array.from({ length: 30 }, () => openStream(running, '/v1/events')));
  for (const reading of readings) await reading.frames.next();
  await submit(running, { start: false });
  for (const reading of readings) await reading.frames.next();
  let reads = 0;
  const listEvents = store.listEvents.bind(store);
  store.listEvents = (query) => {
    reads++;
    return listEvents(query);
  };
  const { id } = await submit(running, { start: false });
  for (const reading of readings) {
    const event = JSON.parse((await reading.frames.next()).value?.data ?? '') as EventView;
    assert.equal(event.jobId, id);
    reading.close();
  }
  assert.equal(reads, 0);
  assert.equal(running.services.streamStats.fellBehind, 0);
});

test('who was live and is too slow for the memory is counted, and reads the store', async () => {
  await using running = await makeServer();
  const { id } = await submit(running, { start: false });
  const pacer = new Pacer();
  const feed = new EventFeed({ store: running.store, pacer, backlogEvents: 2 });
  const reader = new Reader(running, feed, pacer);
  const last = async (): Promise<void> => {
    const seq = await running.store.getLastSeq();
    await until('everything to be read', () => {
      reader.take();
      return reader.seqs.at(-1) === seq;
    });
  };
  await last();
  reader.take();
  await running.store.noteJob({ id, fence: null, set: { blocker: 'live' }, actor: 'test' });
  await until('the live one', () => running.services.streamStats.fellBehind === 0 && reader.seqs.length > 2);
  for (let n = 0; n < 5; n++) {
    await running.store.noteJob({ id, fence: null, set: { blocker: `later ${n}` }, actor: 'test' });
  }
  await last();
  assert.equal(running.services.streamStats.fellBehind, 1);
  assert.deepEqual(reader.seqs, await listSeqs(running));
  await reader.leave();
});
