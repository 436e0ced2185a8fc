/** The store alone under the shim: runs `store-play.fixture.ts`, kills it at its operations, or records it for a replay. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { mkdirSync, rmSync } from 'node:fs';
import { checkHome } from './check-home.ts';
import { listPoints, type KillPoint } from './kill-points.ts';
import { listPromises, readLog, type Operation } from './operation-log.ts';
import { makeScratch } from './power-cut.ts';
import { shimEnvironment, type Fault } from './shim.ts';

/** Kept between plays: compiling is most of what a short one does. */
const COMPILE_CACHE = join(import.meta.dirname, '../../../node_modules/.cache/holdfast');
const PLAY = join(import.meta.dirname, 'store-play.fixture.ts');

/** A played store: its directory, and what was written down of it. */
interface Played extends Disposable {
  root: string;
  operations: Operation[];
  signal: string | null;
  code: number | null;
  stderr: string;
}

/** Plays a store in a directory of its own, under a fault or to its end. */
export async function playStore(fault: Fault | null, data = false): Promise<Played> {
  const scratch = makeScratch();
  const [root, log] = [join(scratch, 'home'), join(scratch, 'operations')];
  mkdirSync(root);
  const ended = await playAgain({ root, log, fault, data });
  return {
    root,
    operations: readLog(log),
    ...ended,
    [Symbol.dispose]: () => rmSync(scratch, { recursive: true, force: true }),
  };
}

async function playAgain(what: {
  root: string;
  log: string;
  fault: Fault | null;
  data: boolean;
}): Promise<{ signal: string | null; code: number | null; stderr: string }> {
  const { root, log } = what;
  const child = spawn(process.execPath, [PLAY, join(root, 'holdfast.db'), log], {
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env, ...shimEnvironment({ ...what, role: 'store' }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stderr })));
}

/** Returns every point of a played store. */
export async function findStorePoints(): Promise<KillPoint[]> {
  using played = await playStore(null);
  if (played.code !== 0) throw new Error(`the store cannot be played: ${played.stderr}`);
  return listPoints('store', 'store', played.operations);
}

/** Kills a store at a point and returns what is wrong with what it left, or null when the point was not reached. */
export async function tryStorePoint({ fault }: KillPoint): Promise<string[] | null> {
  using played = await playStore(fault);
  const { root, operations, signal } = played;
  if (signal !== 'SIGKILL') return null;
  return checkHome(root, listPromises(operations));
}
