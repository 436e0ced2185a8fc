/** Starts servers and keepers of a world under the shim. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerProcess, World } from '../../support/world.ts';
import { readLog, recordPromise, type Operation, type Promised } from './operation-log.ts';
import { shimEnvironment, type Fault } from './shim.ts';

export interface WatchOptions {
  server?: Fault | null;
  /** Of the first keeper that comes to it; of every one when it is a failure that lasts. */
  keeper?: Fault | null;
  /** Keep the bytes, for a replay; git and sync are then watched as well. */
  data?: boolean;
  waitReady?: boolean;
  args?: string[];
}

const PRELOAD = join(import.meta.dirname, 'wrap-keeper.fixture.ts');
const SHELL = '/bin/sh';
/** What changes the home beside servers and keepers, as far as a server starts it. */
const HELPERS = ['git', 'sync'];

/** Where the operations of a world are written down: outside its home. */
export function logOf(world: World): string {
  return join(world.root, 'operations');
}

/** Returns what has been written down of a world. */
export function readOperations(world: World): Operation[] {
  return readLog(logOf(world));
}

let starts = 0;

/** Starts a server of the world under the shim; returns when it is ready, unless told otherwise. */
export async function startWatched(world: World, options: WatchOptions = {}): Promise<ServerProcess> {
  const { server = null, keeper = null, data = false } = options;
  mkdirSync(world.home.root, { recursive: true, mode: 0o700 });
  const root = world.home.root;
  const log = logOf(world);
  const programs = join(world.root, 'programs');
  mkdirSync(programs, { recursive: true });
  const program = join(programs, 'node');
  const once = keeper?.when === 'errors' ? {} : { once: join(world.root, `once-${++starts}`) };
  writeProgram(program, process.execPath, shimEnvironment({ root, log, role: 'keeper', fault: keeper, data, ...once }));
  const path = process.env['PATH'] ?? '';
  if (data) {
    const watched = shimEnvironment({ root, log, role: 'helper', fault: null, data });
    for (const name of HELPERS) writeProgram(join(programs, name), findProgram(name), watched);
  }
  return world.start({
    env: {
      ...shimEnvironment({ root, log, role: 'server', fault: server, data }),
      LAB_KEEPER_PROGRAM: program,
      ...(data ? { PATH: `${programs}:${path}` } : {}),
    },
    wrap: ([node = '', ...words]) => [node, '--import', PRELOAD, ...words],
    ...(options.waitReady === undefined ? {} : { waitReady: options.waitReady }),
    ...(options.args === undefined ? {} : { args: options.args }),
  });
}

function findProgram(name: string): string {
  return join('/usr/bin', name);
}

/**
 * A program that becomes another one under these variables. It is put in its place whole: a keeper of the server before may
 * be starting from the old one, which must neither be written to nor read half.
 */
function writeProgram(path: string, target: string, env: Record<string, string>): void {
  const settings = Object.entries(env).map(([name, value]) => `export ${name}='${value}'`);
  writeFileSync(`${path}.new`, `#!${SHELL}\n${settings.join('\n')}\nexec '${target}' "$@"\n`, { mode: 0o755 });
  renameSync(`${path}.new`, path);
}

/** Shell text by which an agent says that it runs, at its place among the operations. */
export function sayStarted(world: World): string {
  const record = String.raw`A\tagent\t0\t0\t0\t0\t0\t{"started":"%s","of":"%s"}\t\t\n\n`;
  return `printf '${record}' "$HOLDFAST_ATTEMPT" "$HOLDFAST_JOB" >>'${logOf(world)}'`;
}

/** Writes down what somebody outside was promised just now. */
export function promise(world: World, promised: Promised): void {
  recordPromise(logOf(world), promised);
}
