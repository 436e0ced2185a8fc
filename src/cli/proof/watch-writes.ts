/** Plays one way through every stage with everything it writes told by strace. */
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delay } from '../../kernel/backoff.ts';
import { systemClock } from '../../kernel/clock.ts';
import { messageOf } from '../../kernel/result.ts';
import type { Shell } from '../shell.ts';
import { TO_MERGE } from './cases.ts';
import { Stage } from './stage.ts';
import { findStrace, readWrites, traceWords, type Writes } from './trace.ts';

/** How long strace may take to tell of the last process, milliseconds. */
const LAST_WORD_MS = 10_000;
const POLL_MS = 50;

export interface Watched {
  held: boolean;
  /** What was seen, in words. */
  evidence: string;
}

/**
 * Returns whether everything written on the way to a merge was inside the home and the repository. Where strace is not
 * installed, or may not look, it says so and holds: then only the snapshot before and after speaks.
 */
export async function watchWrites(shell: Shell): Promise<Watched> {
  const strace = await findStrace(shell.env['PATH']);
  if (strace === null) return { held: true, evidence: 'strace is not installed: no more than the snapshot' };
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-trace-')));
  try {
    const file = join(folder, 'trace');
    const roots: string[] = [];
    try {
      await using stage = await Stage.create(shell, traceWords(strace, file));
      roots.push(stage.root);
      await stage.play(TO_MERGE, null);
    } catch (error) {
      if (shell.interrupted.aborted) throw error;
      const { count } = await awaitEnd(shell, file, roots);
      // Nothing told: it may not trace here (a container, a policy), and what it was to become never began.
      if (count > 0) return { held: false, evidence: `the play under strace failed: ${messageOf(error)}` };
      return { held: true, evidence: `strace may not look here: no more than the snapshot (${messageOf(error)})` };
    }
    const { count, outside } = await awaitEnd(shell, file, roots);
    if (outside.length > 0) return { held: false, evidence: `written outside: ${outside.join(', ')}` };
    return { held: count > 0, evidence: `strace told ${count} writes on the way to a merge, all of them inside` };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The tracer may be behind what it traces. */
async function awaitEnd(shell: Shell, file: string, roots: readonly string[]): Promise<Writes> {
  const until = systemClock.monotonic() + LAST_WORD_MS;
  for (;;) {
    const writes = readWrites(await readFile(file, 'utf8').catch(() => ''), roots);
    if ((writes.open === 0 && writes.count > 0) || systemClock.monotonic() > until) return writes;
    if (writes.count === 0 && roots.length === 0) return writes;
    await delay(POLL_MS, shell.interrupted);
  }
}
