/** From the byte an agent writes to the byte a client has, beside a bare reader that watches the same kind of file. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createParser } from 'eventsource-parser';
import { readServerFile } from '../src/server/server-file.ts';
import { World } from '../test/support/world.ts';
import { figure, median, printTable, quantile } from './table.ts';

const LINES = 200;
/** Prints the wall clock in milliseconds with a fraction, once per 20 ms. */
const WRITER = `let n = 0; const t = setInterval(() => { process.stdout.write((performance.timeOrigin + performance.now()).toFixed(3) + '\\n'); if (++n === ${LINES}) clearInterval(t); }, 20);`;

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Collects one delay per complete line of `text` as it comes in. */
function createDelays(): { add: (text: string) => void; delays: number[] } {
  const delays: number[] = [];
  // Lines that were there before anybody listened say nothing about the delay of live output.
  const since = nowMs();
  let rest = '';
  return {
    delays,
    add: (text) => {
      const at = nowMs();
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (Number(line) > since) delays.push(at - Number(line));
    },
  };
}

async function measureStream(world: World): Promise<number[]> {
  const job = await world.submit({ agent: 'exec', command: [process.execPath, '-e', WRITER] });
  const info = await readServerFile(world.home.serverFile);
  const token = (await readFile(world.home.tokenFile, 'utf8')).trim();
  const answer = await fetch(`${info?.url}/v1/jobs/${job.id}/stream`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const collected = createDelays();
  let ended = false;
  const parser = createParser({
    onEvent: (event) => {
      if (event.event === 'end') ended = true;
      if (event.event !== 'output') return;
      const frame = JSON.parse(event.data) as { data: string };
      collected.add(Buffer.from(frame.data, 'base64').toString());
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
    if (ended) break;
  }
  return collected.delays;
}

async function measureBare(world: World): Promise<number[]> {
  const path = join(world.root, `tail-${Math.random()}`);
  const fd = openSync(path, 'a+');
  const child = spawn(process.execPath, ['-e', WRITER], { stdio: ['ignore', fd, fd] });
  const collected = createDelays();
  const buffer = Buffer.alloc(65_536);
  let at = 0;
  const read = (): void => {
    for (let bytes = 1; bytes > 0; at += bytes) {
      bytes = readSync(fd, buffer, 0, buffer.length, at);
      collected.add(buffer.toString('utf8', 0, bytes));
    }
  };
  const watcher = watch(path, read);
  await new Promise((resolve) => child.once('exit', resolve));
  read();
  watcher.close();
  closeSync(fd);
  return collected.delays;
}

/** Prints the delay of live output, p50 and p99. */
export async function benchTail(): Promise<void> {
  await using world = await World.create();
  await world.start();
  await world.register();
  const [ours, bare] = [await measureStream(world), await measureBare(world)];
  const row = (name: string, share: number): string[] => {
    const [a, b] = [quantile(ours, share), quantile(bare, share)];
    return [name, figure(a), figure(b), figure(a / b)];
  };
  printTable(
    `Live output, byte written → byte at the client (${ours.length} lines; bare: inotify + read)`,
    ['', 'holdfast', 'bare', 'ratio'],
    [['p50 ms', figure(median(ours)), figure(median(bare)), figure(median(ours) / median(bare))], row('p99 ms', 0.99)],
  );
}
