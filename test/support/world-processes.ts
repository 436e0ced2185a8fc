/** Finds the processes of a world: its attempts by their records, and everything else by what it says of itself. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import type { Home } from '../../src/lifecycle/home.ts';

/** An attempt as its run directory names it. */
export interface KnownAttempt {
  id: string;
  job: string;
  number: number;
  runDir: string;
  keeper: ProcessIdentity | null;
  /** As recorded, alive or not. */
  agent: ProcessIdentity | null;
}

/** Returns every attempt that has a readable specification or claim. */
export async function listAttempts(home: Home): Promise<KnownAttempt[]> {
  const list: KnownAttempt[] = [];
  for (const job of await readdir(home.jobs).catch(() => [])) {
    for (const name of await readdir(join(home.job(job), 'attempts')).catch(() => [])) {
      const runDir = home.runDirectory(job, Number(name));
      const claim = await readLoosely(join(runDir, RUN_FILES.claim));
      const id = (await readLoosely(join(runDir, RUN_FILES.spec)))?.['attempt'] ?? claim?.['attempt'];
      if (typeof id !== 'string') continue;
      const keeper = claim?.['tombstone'] === false ? toIdentity(claim) : null;
      const agent = toIdentity(await readLoosely(join(runDir, RUN_FILES.agent)));
      list.push({ id, job, number: Number(name), runDir, keeper, agent });
    }
  }
  return list;
}

/** Returns the record without checking its sum, or null: a test that damages records still has to clean up. */
async function readLoosely(path: string): Promise<Record<string, unknown> | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown> | null;
  } catch {
    return null;
  }
}

function toIdentity(record: Record<string, unknown> | null): ProcessIdentity | null {
  const { pid, start } = record ?? {};
  return typeof pid === 'number' && typeof start === 'string' ? { pid, start } : null;
}

/** Returns the living processes, this one apart, whose environment, command line or directory mentions `path`. */
export function findMentioning(path: string): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || !mentions(pid, path)) continue;
    const stat = readProcess(pid);
    if (stat !== null && !stat.dead) found.push({ pid, start: stat.start });
  }
  return found;
}

function mentions(pid: number, path: string): boolean {
  const reads = [
    (): string => readFileSync(`/proc/${pid}/environ`, 'latin1'),
    (): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1'),
    (): string => readlinkSync(`/proc/${pid}/cwd`),
  ];
  return reads.some((read) => {
    try {
      return read().includes(path);
    } catch {
      // Gone meanwhile, or not ours.
      return false;
    }
  });
}
