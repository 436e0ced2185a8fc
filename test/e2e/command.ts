/**
 * Runs the command line against a world's home: `start` as a user does, in a process of its own that takes signals;
 * `run` in this process, which is the same code without the time a process takes to start.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { PassThrough, Readable } from 'node:stream';

import { ensureProgram } from '../../scripts/build-program.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { within } from '../support/poll.ts';
import type { World } from '../support/world.ts';

const CLI = await ensureProgram();

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command that may still be running. */
export interface Running {
  child: ChildProcess;
  /** What it has printed so far. */
  stdout(): Buffer;
  stderr(): string;
  /** Waits until it has ended by itself. */
  finish(): Promise<Finished>;
}

export interface CommandOptions {
  /** Given to stdin, which is then closed. */
  input?: string;
  cwd?: string;
  env?: Record<string, string>;
}

/** Starts `holdfast args…` on the world's home in a process of its own. */
export function start(world: World, args: readonly string[], options: CommandOptions = {}): Running {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: options.cwd ?? world.root,
    env: environmentOf(world, options),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')));
  // It may end without reading.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const stdout = (): Buffer => Buffer.concat(out);
  const ended = new Promise<Finished>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout: stdout().toString('utf8'), stderr: err }));
  });
  const finish = (): Promise<Finished> =>
    within(`the end of holdfast ${args.join(' ')}`, ended).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw new Error(`${String(error)}\nstdout: ${stdout().toString('utf8')}\nstderr: ${err}`);
    });
  return { child, stdout, stderr: () => err, finish };
}

/** Runs `holdfast args…` on the world's home to its end, in this process. */
export async function run(world: World, args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    streams[name].setEncoding('utf8').on('data', (chunk: string) => (texts[name] += chunk));
  }
  const code = await within(
    `the end of holdfast ${args.join(' ')}`,
    runCli(args, {
      env: environmentOf(world, options),
      cwd: options.cwd ?? world.root,
      stdin: Readable.from(options.input === undefined ? [] : [Buffer.from(options.input)]),
      ...streams,
      interrupted: new AbortController().signal,
    }),
  );
  // What was written last is handed on in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  return { code, ...texts };
}

function environmentOf(world: World, options: CommandOptions): Record<string, string> {
  const kept = ['HOLDFAST_TEST_RUN', 'NODE_COMPILE_CACHE'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: world.root,
    TMPDIR: world.root,
    HOLDFAST_HOME: world.home.root,
    ...(Object.fromEntries(kept) as Record<string, string>),
    ...options.env,
  };
}
