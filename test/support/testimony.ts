/**
 * What agents say of themselves, outside the home: every start, every end with its exit code, and whether another
 * process of the same job was alive at that moment. The last is told by a kernel lock on an open file, which lives
 * exactly as long as the last process that inherited it, tools in other sessions included.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from './world.ts';

const PRELUDE = `exec 9>>"$WITNESS/alive.$HOLDFAST_JOB"
flock -n 9 || echo "$HOLDFAST_JOB $HOLDFAST_ATTEMPT" >>"$WITNESS/doubles"
echo "start $HOLDFAST_JOB $HOLDFAST_ATTEMPT $$" >>"$WITNESS/lives"
trap 'echo "end $HOLDFAST_JOB $HOLDFAST_ATTEMPT $?" >>"$WITNESS/lives"' EXIT
say() { echo "$1" >>"$WITNESS/copy.$HOLDFAST_ATTEMPT"; echo "$1"; }
`;

/**
 * Returns `script` as a shell script that testifies. `say TEXT` prints a line to the witness first and then to its
 * output, so that the output is at any moment a prefix of the witness' copy.
 */
export function testifying(script: string): string {
  return PRELUDE + script;
}

export interface Start {
  job: string;
  attempt: string;
  pid: number;
}

export interface End {
  job: string;
  attempt: string;
  code: number;
}

/** Returns the starts agents testified to, oldest first; of one job when it is given. */
export async function readStarts(world: World, job?: string): Promise<Start[]> {
  const lives = await world.readWitness('lives');
  return lives
    .map((line) => line.split(' '))
    .filter(([kind, id]) => kind === 'start' && (job === undefined || id === job))
    .map(([, id = '', attempt = '', pid]) => ({ job: id, attempt, pid: Number(pid) }));
}

/** Returns the ends agents testified to; one that was killed has none. */
export async function readEnds(world: World, job?: string): Promise<End[]> {
  const lives = await world.readWitness('lives');
  return lives
    .map((line) => line.split(' '))
    .filter(([kind, id]) => kind === 'end' && (job === undefined || id === job))
    .map(([, id = '', attempt = '', code]) => ({ job: id, attempt, code: Number(code) }));
}

/** Returns what this attempt said so far, '' before its first word. */
export async function readCopy(world: World, attempt: string): Promise<string> {
  return readFile(join(world.witness, `copy.${attempt}`), 'utf8').catch(() => '');
}

/** Returns how many agents were at work at once, at most, by their own testimony. Only exact where none was killed. */
export async function countMostAlive(world: World): Promise<number> {
  let alive = 0;
  let most = 0;
  for (const line of await world.readWitness('lives')) {
    alive += line.startsWith('start ') ? 1 : -1;
    most = Math.max(most, alive);
  }
  return most;
}
