/**
 * Finds what a test run left behind. A process belongs to the run when its environment, command line or working
 * directory mentions the run's own marker or temp directory: keepers and agents start with a clean environment, but
 * they live in a home, and every home of a test lies in that directory.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Survivor {
  pid: number;
  command: string;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone meanwhile, or another user's: not ours to judge.
    return '';
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function isZombie(pid: number): boolean {
  return /^State:\s+[ZX]/m.test(readText(`/proc/${pid}/status`));
}

/** Returns the live processes, this one apart, that mention any of `marks`; empty where there is no /proc. */
export function listSurvivors(marks: readonly string[]): Survivor[] {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  const found: Survivor[] = [];
  for (const name of names) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const command = readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    const traces = `${readText(`/proc/${pid}/environ`)}\0${command}\0${readLink(`/proc/${pid}/cwd`)}`;
    if (marks.some((mark) => traces.includes(mark)) && !isZombie(pid)) found.push({ pid, command });
  }
  return found;
}

/** Returns the pid of the child of `parent` whose last argument is `argument`, or null. */
export function findChild(parent: number, argument: string): number | null {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    if (!readText(`/proc/${name}/cmdline`).endsWith(`\0${argument}\0`)) continue;
    if (new RegExp(`^PPid:\\s+${parent}$`, 'm').test(readText(`/proc/${name}/status`))) return Number(name);
  }
  return null;
}

/** Like `listSurvivors`, after giving processes that are just ending up to `graceMs` to be gone. */
export async function awaitSurvivors(marks: readonly string[], graceMs: number): Promise<Survivor[]> {
  const end = performance.now() + graceMs;
  for (;;) {
    const found = listSurvivors(marks);
    if (found.length === 0 || performance.now() > end) return found;
    await sleep(50);
  }
}
