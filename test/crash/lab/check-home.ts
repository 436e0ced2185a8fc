/**
 * Looks into a home no server holds and says what is wrong with it: it must open, hold together, hold everything that
 * was promised, and the records of its attempts must be whole or absent.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RUN_FILES, decodeRecord, type ExitRecord } from '../../../src/keeper/protocol.ts';
import { sha256 } from '../../../src/kernel/hash.ts';
import { messageOf } from '../../../src/kernel/result.ts';
import { homeLayout, type Home } from '../../../src/lifecycle/home.ts';
import { checkDatabase } from '../../../src/store/sqlite/check-deep.ts';
import { closeDatabase, openDatabase, type OpenDatabase } from '../../../src/store/sqlite/open.ts';
import { checkGone, checkOutside, isRemoved } from './check-outside.ts';
import type { Promised } from './operation-log.ts';

/** Returns what is wrong, [] when nothing is. Changes the home as a start of a server would change it. */
export function checkHome(root: string, promises: readonly Promised[]): string[] {
  const home = homeLayout(root);
  let store: OpenDatabase;
  try {
    store = openDatabase(home.database);
  } catch (error) {
    return [`the database cannot be opened: ${messageOf(error)}`];
  }
  try {
    const faults = checkStore(store);
    for (const promised of promises) faults.push(...checkPromise(store, home, promised));
    // A store that was tried alone has attempts, but nothing ever ran.
    if (existsSync(home.jobs)) faults.push(...checkAttempts(store, home));
    return faults;
  } catch (error) {
    return [`the home cannot be read: ${messageOf(error)}`];
  } finally {
    closeDatabase(store);
  }
}

function checkStore(store: OpenDatabase): string[] {
  const { corrupt, witness } = checkDatabase(store.path, store.complaint);
  const faults = corrupt.map(({ kind, id, why }) => `${kind} ${id}: ${why}`);
  if (witness !== null) faults.push(`witness: ${witness}`);
  for (const row of store.sql.all(
    'SELECT j.id, p.body FROM jobs j LEFT JOIN prompts p ON p.sha256 = j.prompt_sha256',
  )) {
    if (row['body'] === null) faults.push(`job ${String(row['id'])} has no prompt`);
  }
  return faults;
}

function checkPromise(store: OpenDatabase, home: Home, promised: Promised): string[] {
  const { seq, job, promptSha256, started, of } = promised;
  const faults: string[] = [];
  if (seq !== undefined && store.counters.last('seq') < seq) {
    faults.push(`the journal ends at ${store.counters.last('seq')}, but ${seq} was told`);
  }
  if (job !== undefined) {
    const row = store.sql.get('SELECT prompt_sha256 FROM jobs WHERE id = $1', job);
    if (row === null) faults.push(...checkGone(store, job));
    else if (promptSha256 !== undefined && row['prompt_sha256'] !== promptSha256)
      faults.push(`job ${job} has another prompt`);
  }
  if (started !== undefined && !isRemoved(store, of)) faults.push(...checkStarted(store, home, started));
  return [...faults, ...checkOutside(store, home, promised)];
}

/** An agent that ran left an attempt, a claim and its own record: else it could be started a second time. */
function checkStarted(store: OpenDatabase, home: Home, attempt: string): string[] {
  const row = store.sql.get('SELECT job_id, number, state FROM attempts WHERE id = $1', attempt);
  if (row === null) return [`attempt ${attempt} ran, but the store does not know it`];
  const runDir = home.runDirectory(String(row['job_id']), Number(row['number']));
  const faults = [RUN_FILES.claim, RUN_FILES.agent]
    .filter((name) => !existsSync(join(runDir, name)))
    .map((name) => `attempt ${attempt} ran, but it has no ${name}`);
  if (row['state'] === 'never_ran') faults.push(`attempt ${attempt} ran, but is recorded as if it had not`);
  return faults;
}

const RECORDS = [RUN_FILES.spec, RUN_FILES.claim, RUN_FILES.agent, RUN_FILES.exit];

function checkAttempts(store: OpenDatabase, home: Home): string[] {
  const faults: string[] = [];
  for (const row of store.sql.all('SELECT id, job_id, number, state, verdict FROM attempts')) {
    const id = String(row['id']);
    const runDir = home.runDirectory(String(row['job_id']), Number(row['number']));
    const names = existsSync(runDir) ? readdirSync(runDir) : [];
    for (const name of RECORDS.filter((one) => names.includes(one))) {
      try {
        decodeRecord(id, readFileSync(join(runDir, name), 'utf8'));
      } catch (error) {
        faults.push(`${name} of ${id} is damaged: ${messageOf(error)}`);
      }
    }
    if (row['verdict'] === 'FINISHED') faults.push(...checkFinished(runDir, id, names));
  }
  return faults;
}

/** What was recorded as finished has its exit record, and every byte that record vouches for. */
function checkFinished(runDir: string, id: string, names: readonly string[]): string[] {
  if (!names.includes(RUN_FILES.exit)) return [`${id} has finished without an exit record`];
  const exit = decodeRecord<ExitRecord>(id, readFileSync(join(runDir, RUN_FILES.exit), 'utf8'));
  const bytes = names.includes(RUN_FILES.output) ? statSync(join(runDir, RUN_FILES.output)).size : 0;
  return bytes >= exit.bytesOut ? [] : [`the output of ${id} has ${bytes} bytes of ${exit.bytesOut}`];
}

/** Of contents seen before: most files do not change between two states, and are the same buffer then. */
const hashes = new WeakMap<Buffer, string>();

function hashContent(content: Buffer): string {
  const known = hashes.get(content) ?? sha256(content);
  hashes.set(content, known);
  return known;
}

/** Returns a hash of everything that decides what `checkHome` finds. */
export function hashState(files: ReadonlyMap<string, Buffer | string | null>): string {
  const parts: string[] = [];
  for (const [path, content] of files) {
    const what = content === null ? 'directory' : typeof content === 'string' ? `to ${content}` : hashContent(content);
    parts.push(`${path}\0${what}`);
  }
  return sha256(parts.toSorted().join('\n'));
}
