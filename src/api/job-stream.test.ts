import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { EventSourceMessage } from 'eventsource-parser';
import fc from 'fast-check';
import {
  addDemo,
  asProblem,
  makeServer,
  makeWorld,
  openStream,
  submit,
  until,
  work,
  type Running,
  type Work,
} from './api.fixture.ts';
import type { EndFrame, OutputFrame, StateFrame } from './contract.ts';
import { parseStreamId } from './contract.ts';

/** What a client has put together from any number of streams of one job. */
class Client {
  readonly output = new Map<number, Buffer>();
  readonly states: StateFrame[] = [];
  lastId: string | undefined;
  end: EndFrame | null = null;

  /** Takes a frame; fails on a gap or a repeat. */
  take(message: EventSourceMessage): void {
    if (message.event === 'comment') return;
    assert.notEqual(parseStreamId(message.id ?? ''), null, `id ${message.id}`);
    if (message.event === 'output') this.#output(JSON.parse(message.data) as OutputFrame, message.id ?? '');
    if (message.event === 'state') this.states.push(JSON.parse(message.data) as StateFrame);
    if (message.event === 'end') this.end = JSON.parse(message.data) as EndFrame;
    this.lastId = message.id;
  }

  #output(frame: OutputFrame, id: string): void {
    const known = this.output.get(frame.attempt) ?? Buffer.alloc(0);
    assert.equal(frame.offset, known.length, `attempt ${frame.attempt}: gap or repeat`);
    const all = Buffer.concat([known, Buffer.from(frame.data, 'base64')]);
    this.output.set(frame.attempt, all);
    const position = parseStreamId(id);
    assert.deepEqual([position?.attempt, position?.offset], [frame.attempt, all.length]);
  }

  /** Reads from where it is, until the end or until `frames` frames came. */
  async read(running: Running, id: string, frames = Number.POSITIVE_INFINITY): Promise<void> {
    const options = this.lastId === undefined ? {} : { lastEventId: this.lastId };
    const reading = await openStream(running, `/v1/jobs/${id}/stream`, options);
    let count = 0;
    for await (const message of reading.frames) {
      if (count === 0) {
        assert.equal(message.event, 'boot');
        assert.deepEqual(JSON.parse(message.data), { bootId: running.services.bootId });
      }
      this.take(message);
      if (++count > frames) break;
    }
    reading.close();
  }
}

const WHOLE = ['job.accept', 'job.claim', 'attempt.intend', 'job.launch', 'attempt.attach'];

test('output and states come as they happen, and the stream ends with the job', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const client = new Client();
  const reading = client.read(running, id);
  const attempt = await work(running, id);
  await attempt.print('one\n');
  await until('the first line', () => client.output.get(1)?.toString() === 'one\n');
  await attempt.print(Buffer.from([0xff, 0x00, 0xc3]));
  await until('a torn character', () => client.output.get(1)?.length === 7);
  await attempt.print(Buffer.from([0xa9]));
  await attempt.finish('fail', 7);
  await reading;
  assert.deepEqual(client.output.get(1), await readFile(attempt.outputFile));
  assert.deepEqual(
    client.states.map(({ kind }) => kind),
    [...WHOLE, 'attempt.finish', 'job.fail'],
  );
  assert.deepEqual(
    client.states.flatMap(({ state }) => state ?? []),
    ['queued', 'preparing', 'running', 'failed'],
  );
  assert.deepEqual(client.end, { state: 'failed', outcome: 'failure', reason: null, exitCode: 7 });
});

test('the next attempt goes on in the same stream, and no state overtakes the output it ends', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const client = new Client();
  const order: string[] = [];
  const reading = await openStream(running, `/v1/jobs/${id}/stream`);
  const done = (async () => {
    for await (const message of reading.frames) {
      client.take(message);
      const data = JSON.parse(message.data) as Partial<OutputFrame & StateFrame>;
      order.push(message.event === 'output' ? `output ${data.attempt}` : (data.kind ?? message.event ?? ''));
    }
  })();
  const first = await work(running, id);
  await first.print('from the first');
  await first.interrupt();
  const silent = await work(running, id);
  await silent.interrupt();
  const third = await work(running, id);
  await third.print('from the third');
  await third.finish();
  await done;
  assert.equal(client.output.get(1)?.toString(), 'from the first');
  assert.equal(client.output.get(2), undefined);
  assert.equal(client.output.get(3)?.toString(), 'from the third');
  assert.ok(order.indexOf('output 1') < order.indexOf('job.interrupt'), order.join());
  assert.ok(order.indexOf('output 3') < order.indexOf('job.complete'), order.join());
  assert.equal(order.at(-1), 'end');
});

test('a finished job is told from the start, a held one waits, a cancelled one ends', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  await attempt.print('done');
  await attempt.finish();
  const late = new Client();
  await late.read(running, id);
  assert.equal(late.output.get(1)?.toString(), 'done');
  assert.equal(late.end?.state, 'completed');
  const again = new Client();
  again.lastId = late.lastId;
  await again.read(running, id);
  assert.deepEqual([again.output.size, again.states.length, again.end?.state], [0, 0, 'completed']);

  const held = await submit(running, { start: false });
  const waiting = new Client();
  const reading = waiting.read(running, held.id);
  await until('the acceptance', () => waiting.states.length === 1);
  assert.equal(waiting.end, null);
  await running.call('POST', `/v1/jobs/${held.id}/cancel`);
  await reading;
  assert.deepEqual(waiting.end, {
    state: 'cancelled',
    outcome: 'cancelled',
    reason: 'cancelled_by_client',
    exitCode: null,
  });
});

test('a job that is retried after its end goes on in a stream that resumes', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const first = await work(running, id);
  await first.print('first');
  await first.finish('fail', 1);
  const client = new Client();
  await client.read(running, id);
  assert.equal(client.end?.state, 'failed');
  await running.call('POST', `/v1/jobs/${id}/retry`);
  const reading = client.read(running, id);
  const second = await work(running, id);
  await second.print('second');
  await second.finish();
  await reading;
  assert.equal(client.end?.state, 'completed');
  assert.equal(client.output.get(1)?.toString(), 'first');
  assert.equal(client.output.get(2)?.toString(), 'second');
});

test('stderr is a stream of its own', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  await attempt.print('out');
  await attempt.print('err', 'stderr');
  await attempt.finish();
  const reading = await openStream(running, `/v1/jobs/${id}/stream?stream=stderr`);
  const client = new Client();
  for await (const message of reading.frames) client.take(message);
  assert.equal(client.output.get(1)?.toString(), 'err');
});

test('ids that are none are refused; an id without the sequence resumes the bytes', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  for (const bad of ['x', '0:0:0', '1', '1:-1:0', '2:0:0', '1:0:0:0', '1:1e3:0', `1:${'9'.repeat(20)}`]) {
    const headers = { 'last-event-id': bad };
    asProblem(await running.call('GET', `/v1/jobs/${id}/stream`, { headers }), 400, 'bad-request');
  }
  asProblem(await running.call('GET', '/v1/events', { headers: { 'last-event-id': '1:0:0' } }), 400, 'bad-request');
  const attempt = await work(running, id);
  await attempt.print('0123456789');
  await attempt.finish();
  const reading = await openStream(running, `/v1/jobs/${id}/stream`, { lastEventId: '1:4' });
  const frames: EventSourceMessage[] = [];
  for await (const message of reading.frames) frames.push(message);
  const output = frames.find(({ event }) => event === 'output');
  assert.deepEqual(JSON.parse(output?.data ?? ''), {
    attempt: 1,
    stream: 'stdout',
    offset: 4,
    data: Buffer.from('456789').toString('base64'),
  });
  assert.equal(frames.filter(({ event }) => event === 'state').length, 7);
});

/** Prints the pieces one after the other and ends the attempt, while readers come and go. */
async function printAll(attempt: Work, pieces: Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await attempt.print(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('whatever is cut, and whenever the server is replaced, what a client puts together is the file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 6 }), { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat({ max: 5 }), { maxLength: 6 }),
      async (attempts, cuts) => {
        await using world = await makeWorld();
        let running = await world.start();
        await addDemo(running.store);
        const { id } = await submit(running);
        const client = new Client();
        const files: string[] = [];
        for (const [index, sizes] of attempts.entries()) {
          const attempt = await work(running, id);
          files.push(attempt.outputFile);
          const printing = printAll(
            attempt,
            sizes.map((size) => randomBytes(size)),
          );
          // Enough frames exist for every cut only by luck: a read that would wait is ended by closing the server.
          for (const cut of cuts.splice(0, 2)) {
            const reading = client.read(running, id, cut).catch(() => undefined);
            await printing;
            await running.close();
            await reading;
            running = await world.start();
          }
          await printing;
          await endAttempt(running, attempt, index === attempts.length - 1 ? 'complete' : 'interrupt');
        }
        await client.read(running, id);
        for (const [index, file] of files.entries()) {
          const expected = await readFile(file).catch(() => Buffer.alloc(0));
          assert.ok((client.output.get(index + 1) ?? Buffer.alloc(0)).equals(expected), `attempt ${index + 1}`);
        }
        const seqs = client.states.map(({ seq }) => seq);
        assert.deepEqual(
          seqs,
          [...new Set(seqs)].toSorted((a, b) => a - b),
          'a state came twice or out of order',
        );
        const events = await running.store.listEvents({ after: 0, jobId: id, limit: 1000 });
        assert.deepEqual(
          seqs,
          events.map(({ seq }) => seq),
          'a state was lost',
        );
        assert.equal(client.end?.state, 'completed');
      },
    ),
    { numRuns: 12 },
  );
});

/** Ends an attempt that an earlier server started. */
async function endAttempt(
  { store, services }: Running,
  { attempt, job }: Work,
  how: 'complete' | 'interrupt',
): Promise<void> {
  const owner = { fence: attempt.fence, actor: services.bootId };
  const transition = how === 'complete' ? 'finish' : 'interrupt';
  await store.settleAttempt({ id: attempt.id, transition, ...owner }, { id: job.id, transition: how, ...owner });
}
