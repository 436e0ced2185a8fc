import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { scanProcesses } from '../../src/keeper/processes.ts';
import { until } from './poll.ts';
import type { World } from './world.ts';

/** Makes every git that reads this source wait for ever; returns the way to undo it. */
export function hangSource(source: string): () => Promise<void> {
  const path = join(source, '.git', 'packed-refs');
  execFileSync('mkfifo', [path]);
  return () => rm(path);
}

/** What the server has started for this job before its attempt, alive. */
export function findOperation(job: { id: string }): unknown[] {
  return [...scanProcesses().operations].filter(([id]) => id.startsWith(`${job.id}.`)).flatMap(([, found]) => found);
}

/** Waits until git works for this job. */
export async function awaitGit(world: World, job: { id: string; number: number }): Promise<void> {
  await until(`git works for job ${job.number}`, async () => {
    const { state, blocker } = await world.getJob(job.id);
    if (state !== 'queued' && state !== 'preparing') throw new Error(`job ${job.number} is ${state}: ${blocker}`);
    return findOperation(job).length > 0;
  });
}
