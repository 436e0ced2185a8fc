import { statfs } from 'node:fs/promises';
import { RESERVE_BYTES } from '../keeper/protocol.ts';
import { delay } from '../kernel/backoff.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { AttemptContext } from './context.ts';
import type { Trouble } from './decide.ts';
import type { Resolution } from './resolve-attempt.ts';

/** Pause before a job that met a full disk is queued again, milliseconds: it must not turn in circles. */
export const DISK_FULL_PAUSE_MS = 5000;
/** Room a keeper needs for its records before its agent begins, bytes: the reserve of the last one, and as much for the others. */
const KEEPER_BYTES = 4 * RESERVE_BYTES;

/**
 * Returns why a keeper that never let its agent go could not: the disk has no room for its records, by its own words or by
 * a look at the disk. Null for any other attempt. Waits a while before it says so.
 */
export async function awaitShortage(
  ctx: AttemptContext,
  input: { attempt: Attempt; resolution: Extract<Resolution, { kind: 'over' }>; signal: AbortSignal },
): Promise<Trouble | null> {
  const { attempt, resolution, signal } = input;
  if (resolution.verdict.kind !== 'NEVER_RAN' && resolution.verdict.kind !== 'SEALED') return null;
  const said = resolution.judgement.evidence.exit?.reason ?? '';
  const runDir = ctx.home.runDirectory(attempt.jobId, attempt.number);
  if (!/ENOSPC|EDQUOT/.test(said) && !(await isFull(runDir))) return null;
  await delay(DISK_FULL_PAUSE_MS, signal);
  const message = `the disk that holds ${ctx.home.root} is full: its agent could not be started, and is tried again`;
  return { message, passes: true, diskFull: true };
}

/** Whether there is no room for the records of a keeper: no bytes, or no files. */
async function isFull(path: string): Promise<boolean> {
  const { bavail, bsize, files, ffree } = await statfs(path);
  return bavail * bsize < KEEPER_BYTES || (files > 0 && ffree === 0);
}
