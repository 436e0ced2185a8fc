/** Evidence that something is about to rest on: read again, and where it is not what was recorded nothing passes on it. */
import { join, relative } from 'node:path';
import { fail, isError } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { GateRecord } from '../../lifecycle/stage.ts';
import type { AttemptContext } from '../context.ts';
import { readEvidence } from './evidence-files.ts';

/**
 * Returns a piece of evidence. What is damaged is set aside by name before this throws `evidence-corrupt`, by which the
 * job is quarantined as well.
 */
export async function useEvidence(ctx: AttemptContext, job: Job, hash: string): Promise<Buffer> {
  const directory = ctx.home.evidence(job.id);
  try {
    return await readEvidence(directory, hash);
  } catch (error) {
    if (!isError(error, 'evidence-corrupt')) throw error;
    const path = join(directory, hash);
    const why = error.detail;
    const found = { kind: 'evidence', item: relative(ctx.home.root, path), path, why, jobId: job.id };
    await ctx.store.addQuarantine([found], ctx.boot);
    ctx.log.error(`quarantined evidence ${found.item}: ${why}`, { job: job.id });
    throw error;
  }
}

/** Returns the gates that are passed for this very work in this epoch; a pass whose evidence is damaged throws `evidence-corrupt`. */
export async function listPassed(ctx: AttemptContext, job: Job): Promise<GateRecord[]> {
  const candidate = job.step?.candidate ?? null;
  const passed = (await ctx.store.listGates(job.id)).filter(
    (gate) => gate.epoch === job.epoch && gate.result === 'PASS' && gate.candidate === candidate,
  );
  for (const hash of new Set(passed.flatMap(({ evidence }) => evidence))) await useEvidence(ctx, job, hash);
  return passed;
}

/** Holds that every gate the plan names is passed. Throws `evidence-corrupt`, and `record-corrupt` where one is missing. */
export async function requirePassed(ctx: AttemptContext, job: Job): Promise<void> {
  const passed = new Set((await listPassed(ctx, job)).map(({ gate }) => gate));
  const { verify = [], reviewers = [] } = job.plan ?? {};
  const missing = [...verify, ...reviewers].find(({ name }) => !passed.has(name));
  if (missing !== undefined)
    throw fail('record-corrupt', `job ${job.number} is past its gates, and ${missing.name} has no PASS for this work`);
}
