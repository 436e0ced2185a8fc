import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import type { EventView } from '../api/contract.ts';
import { fail } from '../kernel/errors.ts';
import { runCli } from './run-cli.ts';

/** A journal of this many events, as a server shows it: pages, and streams that end with `byes` before the last goes on. */
class Journal {
  readonly #server: Server;
  readonly #count: number;
  readonly #byes: string[];
  /** Addresses asked for, each with the position a stream went on from. */
  readonly asked: string[] = [];

  constructor(count: number, byes: string[] = []) {
    this.#count = count;
    this.#byes = byes;
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://localhost');
      const isStream = request.headers.accept === 'text/event-stream';
      const lastId = request.headers['last-event-id'];
      if (url.pathname !== '/v1/events') return void response.end('{}');
      this.asked.push(`${url.search}${isStream ? ` from ${String(lastId)}` : ''}`);
      if (!isStream) {
        const after = Number(url.searchParams.get('after'));
        const items = this.#list(after, Number(url.searchParams.get('limit')));
        const isWhole = after + items.length >= this.#count;
        response.setHeader('content-type', 'application/json');
        return void response.end(JSON.stringify({ items, nextCursor: isWhole ? null : 'next' }));
      }
      const next = Number(lastId ?? this.#count) + 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`id: ${next - 1}\nevent: boot\ndata: {"bootId":"boot_1"}\n\n`);
      response.write(`id: ${next}\nevent: event\ndata: ${JSON.stringify(this.#make(next))}\n\n`);
      const bye = this.#byes.shift();
      if (bye !== undefined) response.end(`id: ${next}\nevent: bye\ndata: {"reason":"${bye}"}\n\n`);
    });
  }

  #make(seq: number): EventView {
    const at = '2030-01-01T00:00:00.000Z';
    return { seq, at, actor: 'a', kind: 'job.accept', subject: 's', jobId: null, attemptId: null, data: {}, hash: 'h' };
  }

  #list(after: number, limit: number): EventView[] {
    const length = Math.max(0, Math.min(limit, this.#count - after));
    return Array.from({ length }, (_, index) => this.#make(after + 1 + index));
  }

  /** Runs `holdfast events …` against it; `until` sees the standard output so far and ends the command when true. */
  async run(
    argv: string[],
    until: (out: string) => boolean = () => false,
  ): Promise<{ exit: number; seqs: number[]; err: string }> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const interrupt = new AbortController();
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const texts = { out: '', err: '' };
    stdout.on('data', (chunk: Buffer) => {
      texts.out += chunk.toString();
      if (until(texts.out)) interrupt.abort(fail('interrupted', 'enough was seen'));
    });
    stderr.on('data', (chunk: Buffer) => (texts.err += chunk.toString()));
    const port = (this.#server.address() as AddressInfo).port;
    const exit = await runCli(['events', '--json', ...argv], {
      env: {
        HOLDFAST_HOME: '/nonexistent/holdfast',
        HOLDFAST_URL: `http://127.0.0.1:${port}`,
        HOLDFAST_TOKEN: 'secret',
      },
      cwd: '/',
      stdin: Readable.from([]),
      stdout,
      stderr,
      interrupted: interrupt.signal,
    });
    await new Promise((resolve) => this.#server.close(resolve).closeAllConnections());
    const seqs = texts.out
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as EventView).seq);
    return { exit, seqs, err: texts.err };
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

test('events prints all of the journal, page by page, from the oldest on', async () => {
  const journal = new Journal(450);
  const { exit, seqs } = await journal.run([]);
  assert.deepEqual([exit, seqs], [0, range(1, 450)]);
  assert.deepEqual(journal.asked, ['?after=0&limit=200', '?after=200&limit=200', '?after=400&limit=200']);
});

test('--after and --limit take a part, and say how to go on while there is more', async () => {
  const journal = new Journal(450);
  const part = await journal.run(['--after', '100', '--limit', '250']);
  assert.deepEqual([part.exit, part.seqs], [0, range(101, 350)]);
  assert.match(part.err, /holdfast events --after 350 --limit 250/);
  const rest = await new Journal(450).run(['--after', '350', '--limit', '250']);
  assert.deepEqual([rest.exit, rest.seqs, rest.err], [0, range(351, 450), '']);
  const wrong = await new Journal(1).run(['-f', '--limit', '2']);
  assert.equal(wrong.exit, 2);
});

test('-f goes on where the pages end, through streams the server ends, silently when one only had its time', async () => {
  const journal = new Journal(3, ['renew', 'stopping']);
  const { exit, seqs, err } = await journal.run(['-f', '--after', '0'], (out) => out.includes('"seq":6'));
  assert.deepEqual([exit, seqs], [130, range(1, 6)]);
  assert.deepEqual(journal.asked.slice(1), [' from 3', ' from 4', ' from 5']);
  assert.equal(err.match(/server gone/g)?.length, 1, err);
  assert.match(err, /it is stopping/);
});
