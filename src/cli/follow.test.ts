import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatStreamId, parseStreamId, type StreamPosition } from '../api/contract.ts';
import { fail, isError } from '../kernel/errors.ts';
import type { JobState } from '../lifecycle/transitions.ts';
import { Client } from './client.ts';
import { followJob } from './follow.ts';

/** What the wire does to the frames of one connection. */
interface Trouble {
  /** Bytes of output per frame. */
  chunk: number;
  /** Frames sent before the connection is cut; null never cuts. */
  cutAfter: number | null;
  /** Bytes sent again that the client said it has. */
  overlap: number;
  /** Bytes left out at the first frame, as a broken server would. */
  gap: number;
}

/** A server that has these outputs, attempt by attempt, ends in `state`, and gives each connection its trouble. */
class Wire {
  readonly outputs: Buffer[];
  readonly #troubles: Trouble[];
  readonly #state: JobState;
  #server: Server | null = null;
  url = '';
  connections = 0;

  constructor(outputs: Buffer[], troubles: Trouble[], state: JobState) {
    this.outputs = outputs;
    this.#troubles = troubles;
    this.#state = state;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      if (path.includes('/stream')) this.#stream(String(request.headers['last-event-id']), response);
      else if (path.includes('/output')) this.#output(path, response);
      else response.end(JSON.stringify({ id: 'job_1', number: 1, state: this.#state, attempts: this.outputs.length }));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Goes away and comes back on another port. */
  async move(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    await new Promise((resolve) => server?.close(resolve).closeAllConnections());
  }

  #output(path: string, response: ServerResponse): void {
    const size = this.outputs[Number(/attempt=(\d+)/.exec(path)?.[1]) - 1]?.length ?? 0;
    response.writeHead(206, { 'content-range': `bytes 0-0/${size}` }).end('x');
  }

  #stream(id: string, response: ServerResponse): void {
    const calm: Trouble = { chunk: 64, cutAfter: null, overlap: 0, gap: 0 };
    const trouble = this.#troubles[this.connections++] ?? calm;
    const from = parseStreamId(id);
    assert.ok(from !== null, `not a position: ${id}`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let sent = 0;
    const send = (event: string, position: StreamPosition, data: object): boolean => {
      if (trouble.cutAfter !== null && sent++ >= trouble.cutAfter) {
        // What was written before must arrive, or the cut would always be at the beginning.
        response.write(': cut\n\n', () => response.destroy());
        return false;
      }
      response.write(`id: ${formatStreamId(position)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      return true;
    };
    if (!send('boot', from, { bootId: 'boot_1' })) return;
    for (let attempt = from.attempt; attempt <= this.outputs.length; attempt++) {
      const output = this.outputs[attempt - 1] ?? Buffer.alloc(0);
      let offset = attempt === from.attempt ? Math.max(0, from.offset - trouble.overlap) : 0;
      offset = Math.min(output.length, offset + trouble.gap);
      for (; offset < output.length; offset += trouble.chunk) {
        const data = output.subarray(offset, offset + trouble.chunk);
        const position = { attempt, offset: offset + data.length, seq: 0 };
        if (!send('output', position, { attempt, stream: 'stdout', offset, data: data.toString('base64') })) return;
      }
    }
    const last = { attempt: this.outputs.length, offset: this.outputs.at(-1)?.length ?? 0, seq: 9 };
    const step = { seq: 9, at: '2026-03-01T12:00:00.000Z', kind: 'job.x', attemptId: null, state: this.#state };
    if (!send('state', last, { ...step, outcome: null, reason: null, blocker: null, exitCode: null })) return;
    if (this.#state === 'blocked') return;
    if (send('end', last, { state: this.#state, outcome: null, reason: null, exitCode: null })) response.end();
  }
}

interface Seen {
  bytes: Buffer[];
  away: number;
  back: number;
  state: JobState;
}

async function follow(wire: Wire, from: StreamPosition, onlyAttempt: number | null = null): Promise<Seen> {
  const seen: Seen = { bytes: wire.outputs.map(() => Buffer.alloc(0)), away: 0, back: 0, state: 'created' };
  const client = new Client({
    find: async () => ({ url: wire.url, token: null, bootId: null, pid: null, certificate: null }),
    notice: () => undefined,
    interrupted: new AbortController().signal,
  });
  const end = await followJob({
    client,
    job: { id: 'job_1', number: 1 },
    stream: 'stdout',
    from,
    onlyAttempt,
    signal: new AbortController().signal,
    onOutput: async ({ attempt, offset, bytes }) => {
      const before = seen.bytes[attempt - 1] ?? Buffer.alloc(0);
      const start = attempt === from.attempt ? from.offset : 0;
      assert.equal(offset, start + before.length, 'a byte was skipped or repeated');
      seen.bytes[attempt - 1] = Buffer.concat([before, bytes]);
    },
    onState: () => undefined,
    onAway: () => (seen.away += 1),
    onBack: () => (seen.back += 1),
  });
  seen.state = end.state;
  return seen;
}

const START: StreamPosition = { attempt: 1, offset: 0, seq: 0 };

test('whatever the wire does, every byte arrives once and in order', async () => {
  const trouble = fc.record({
    chunk: fc.integer({ min: 1, max: 20 }),
    cutAfter: fc.integer({ min: 2, max: 8 }),
    overlap: fc.integer({ min: 0, max: 30 }),
    gap: fc.constantFrom(0, 0, 0, 0, 0, 5),
  });
  const outputs = fc.array(
    fc.uint8Array({ minLength: 40, maxLength: 200, size: 'max' }).map((bytes) => Buffer.from(bytes)),
    { minLength: 1, maxLength: 3 },
  );
  await fc.assert(
    fc.asyncProperty(outputs, fc.array(trouble, { minLength: 2, maxLength: 3 }), async (written, troubles) => {
      const wire = new Wire(written, troubles, 'completed');
      await wire.start();
      try {
        const seen = await follow(wire, START);
        assert.deepEqual(
          seen.bytes.map((bytes) => bytes.toString('hex')),
          written.map((bytes) => bytes.toString('hex')),
        );
        assert.equal(seen.away, seen.back, 'each time the server was said to be gone it was said to be back');
        assert.equal(seen.state, 'completed');
      } finally {
        await wire.stop();
      }
    }),
    { numRuns: 12 },
  );
});

test('it goes on when the server comes back on another port', async (t) => {
  const output = Buffer.from('line\n'.repeat(50));
  const wire = new Wire([output], [{ chunk: 10, cutAfter: 5, overlap: 0, gap: 0 }], 'failed');
  await wire.start();
  t.after(() => wire.stop());
  const following = follow(wire, START);
  while (wire.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await wire.move();
  const seen = await following;
  assert.equal(seen.bytes[0]?.toString(), output.toString());
  assert.equal(seen.state, 'failed');
  assert.ok(wire.connections >= 2);
});

test('it starts where it was told, and stops at the end of the one attempt it was asked for', async (t) => {
  const wire = new Wire([Buffer.from('first'), Buffer.from('second'), Buffer.from('third')], [], 'completed');
  await wire.start();
  t.after(() => wire.stop());
  const tail = await follow(wire, { attempt: 2, offset: 3, seq: 0 });
  assert.deepEqual(tail.bytes.map(String), ['', 'ond', 'third']);
  const only = await follow(wire, START, 1);
  assert.deepEqual(only.bytes.map(String), ['first', '', '']);
});

test('a job that waits for a person ends it once the last byte was read', async (t) => {
  for (const output of [Buffer.from('stuck\n'), Buffer.alloc(0)]) {
    const wire = new Wire([output], [{ chunk: 2, cutAfter: 2, overlap: 0, gap: 0 }], 'blocked');
    await wire.start();
    t.after(() => wire.stop());
    const seen = await follow(wire, START);
    assert.deepEqual([seen.state, String(seen.bytes[0])], ['blocked', output.toString()]);
  }
});

test('what the server refuses for good is thrown, and an interrupt ends it', async (t) => {
  const server = createServer((request, response) => {
    if (request.headers['last-event-id'] === '2:0:0') return;
    response.writeHead(404).end(JSON.stringify({ code: 'job-not-found', detail: 'gone', hint: '' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const wire = new Wire([Buffer.alloc(0)], [], 'running');
  wire.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await assert.rejects(follow(wire, START), (error) => isError(error, 'job-not-found'));
  const interrupt = new AbortController();
  const client = new Client({
    find: async () => ({ url: wire.url, token: null, bootId: null, pid: null, certificate: null }),
    notice: () => undefined,
    interrupted: new AbortController().signal,
  });
  const following = followJob({
    client,
    job: { id: 'job_1', number: 1 },
    stream: 'stdout',
    from: { attempt: 2, offset: 0, seq: 0 },
    onlyAttempt: null,
    signal: interrupt.signal,
    onOutput: async () => undefined,
    onState: () => undefined,
    onAway: () => undefined,
    onBack: () => undefined,
  });
  setTimeout(() => interrupt.abort(fail('interrupted', 'Ctrl-C')), 30);
  await assert.rejects(following, (error) => isError(error, 'interrupted'));
});
