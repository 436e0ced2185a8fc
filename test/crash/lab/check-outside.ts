/** What somebody outside was told of files, callbacks and removals, held against a home. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../../src/kernel/hash.ts';
import type { Home } from '../../../src/lifecycle/home.ts';
import type { OpenDatabase } from '../../../src/store/sqlite/open.ts';
import type { Promised } from './operation-log.ts';

/** Whether this job was removed: its tombstone says so. */
export function isRemoved(store: OpenDatabase, job: string | undefined): boolean {
  return job !== undefined && store.sql.get('SELECT 1 FROM tombstones WHERE subject = $1', job) !== null;
}

/** Returns what is wrong when an accepted job has no row: nothing, where a tombstone says that it was removed. */
export function checkGone(store: OpenDatabase, job: string): string[] {
  return isRemoved(store, job) ? [] : [`job ${job} was accepted and is gone`];
}

/** Returns what is wrong with one promise about files, callbacks and removals. */
export function checkOutside(store: OpenDatabase, home: Home, promised: Promised): string[] {
  const faults: string[] = [];
  const { file, told, removed } = promised;
  if (file !== undefined) faults.push(...checkFile(store, home, file));
  if (told !== undefined) faults.push(...checkTold(store, told));
  if (removed !== undefined) {
    if (!isRemoved(store, removed)) faults.push(`job ${removed} was removed, but it has no tombstone`);
    const row = store.sql.get('SELECT 1 FROM jobs WHERE id = $1', removed);
    if (row !== null) faults.push(`job ${removed} was removed and is back`);
  }
  return faults;
}

/** An acknowledged file is recorded, and its bytes are there as long as a workspace has to be made of them. */
function checkFile(store: OpenDatabase, home: Home, { job, name, versions }: NonNullable<Promised['file']>): string[] {
  const row = store.sql.get('SELECT sha256 FROM job_files WHERE job_id = $1 AND name = $2', job, name);
  if (row === null) return [`${name} of job ${job} was acknowledged and is gone`];
  const hash = String(row['sha256']);
  if (!versions.includes(hash)) return [`${name} of job ${job} has another content than was acknowledged`];
  const state = store.sql.get('SELECT state FROM jobs WHERE id = $1', job)?.['state'];
  if (!['created', 'waiting', 'queued', 'preparing'].includes(String(state))) return [];
  const path = join(home.staging(job), hash, name);
  if (!existsSync(path)) return [`${name} of job ${job} is recorded, but not staged`];
  return sha256(readFileSync(path)) === hash ? [] : [`${name} of job ${job} is staged with another content`];
}

/** No message is sent before its event is durable, and never with another body (C2, C3). */
function checkTold(store: OpenDatabase, { id, bodySha256 }: NonNullable<Promised['told']>): string[] {
  const row = store.sql.get('SELECT body FROM deliveries WHERE id = $1', id);
  if (row === null) return [`message ${id} was sent, but the store does not know it`];
  return sha256(String(row['body'])) === bodySha256 ? [] : [`message ${id} was sent with another body`];
}
