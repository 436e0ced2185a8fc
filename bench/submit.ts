/** Acknowledgement of a submission over HTTP, beside a bare server that appends the body to a file and flushes it. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, createServer, request, type RequestOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { World } from '../test/support/world.ts';
import { readServerFile } from '../src/server/server-file.ts';
import { figure, median, printTable, quantile } from './table.ts';

const SEQUENTIAL = 400;
const CLIENTS = 16;
const PER_CLIENT = 125;
const RUNS = 5;
/** Made by one measurement. */
export const SUBMISSIONS = SEQUENTIAL + CLIENTS * PER_CLIENT;

export interface Target {
  url: string;
  token: string;
}

export interface Figures {
  p50: number;
  p99: number;
  perSecond: number;
}

const body = JSON.stringify({ repository: 'demo', agent: 'exec', command: ['true'], start: false });

function post(target: Target, agent: Agent): Promise<void> {
  const options: RequestOptions = {
    method: 'POST',
    agent,
    headers: {
      authorization: `Bearer ${target.token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  };
  return new Promise((resolve, reject) => {
    const sent = request(`${target.url}/v1/jobs`, options, (answer) => {
      answer
        .resume()
        .once('end', () => (answer.statusCode === 201 ? resolve() : reject(new Error(String(answer.statusCode)))));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Returns how fast `target` takes submissions: one after the other, then from sixteen clients at once. */
export async function measure(target: Target): Promise<Figures> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const times: number[] = [];
  for (let i = 0; i < SEQUENTIAL; i++) {
    const began = performance.now();
    await post(target, agent);
    times.push(performance.now() - began);
  }
  const began = performance.now();
  const client = async (): Promise<void> => {
    for (let i = 0; i < PER_CLIENT; i++) await post(target, agent);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const seconds = (performance.now() - began) / 1000;
  agent.destroy();
  return { p50: median(times), p99: quantile(times, 0.99), perSecond: (CLIENTS * PER_CLIENT) / seconds };
}

/** A server that does the least an honest 201 can mean: the body is on disk. */
async function withBareServer<T>(path: string, use: (target: Target) => Promise<T>): Promise<T> {
  const fd = openSync(path, 'a');
  const server = createServer((incoming, answer) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      writeSync(fd, Buffer.concat(chunks));
      fdatasyncSync(fd);
      answer.writeHead(201).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await use({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: '' });
  } finally {
    await new Promise((resolve) => server.close(resolve));
    closeSync(fd);
  }
}

/** Prints p50 and p99 of one client and the rate of sixteen, each beside the bare server's in the same run. */
export async function benchSubmit(): Promise<void> {
  await using world = await World.create();
  await world.start();
  await world.register();
  const info = await readServerFile(world.home.serverFile);
  if (info === null) throw new Error('no server');
  const target = { url: info.url, token: (await readFile(world.home.tokenFile, 'utf8')).trim() };
  const ours: Figures[] = [];
  const bare: Figures[] = [];
  await measure(target);
  for (let run = 0; run < RUNS; run++) {
    ours.push(await measure(target));
    bare.push(await withBareServer(join(world.root, 'bare'), measure));
  }
  const row = (name: string, pick: (figures: Figures) => number): string[] => {
    const [a, b] = [median(ours.map(pick)), median(bare.map(pick))];
    return [name, figure(a), figure(b), figure(a / b)];
  };
  printTable(
    'Submission over HTTP (bare: append + fdatasync + 201)',
    ['', 'holdfast', 'bare', 'ratio'],
    [
      row('acknowledged p50 ms', (one) => one.p50),
      row('acknowledged p99 ms', (one) => one.p99),
      row('accepted per second, 16 clients', (one) => one.perSecond),
    ],
  );
}
