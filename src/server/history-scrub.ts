import type { AttemptContext } from '../attempts/context.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import type { Job } from '../lifecycle/job.ts';
import { quarantineFinding } from '../recovery/finding.ts';
import { quarantineWaiting } from '../recovery/quarantine-damaged.ts';
import { describeRecord, scrubRuns, scrubStore } from '../recovery/scrub-kinds.ts';
import { scrubMirrors } from '../recovery/scrub-files.ts';
import { createScrub } from '../recovery/scrub.ts';
import { DAMAGED_RECORD } from '../store/quarantine-store.ts';
import type { ServerState } from './state.ts';

/** Returns the check of history of this server. Kinds of records outside the database join here. */
export function createHistoryScrub(ctx: AttemptContext, state: ServerState, callbacks: readonly string[]): Service {
  const { store, clock, log, boot, home } = ctx;
  return createScrub({
    store,
    clock,
    log,
    boot,
    kinds: [scrubStore(store, home), scrubRuns(store, home), scrubMirrors(store, home)],
    setAside: async (found) => void state.report.jobs.push(...(await quarantineWaiting(ctx, found))),
    callbacks,
    atStart: () => state.damaged,
    getReport: () => state.report,
    setReport: (report) => (state.report = report),
  });
}

/** Returns what tells of a job whose damage was found when its turn came: in the log, the report and the quarantine. */
export function tellOfDamaged(ctx: AttemptContext, state: ServerState): (job: Job) => void {
  return (job) => {
    const blocker = job.blocker ?? DAMAGED_RECORD;
    ctx.log.error(`Job ${job.number} quarantined: ${blocker}`, { job: job.id });
    const before = { ...job, state: 'queued' } as Job;
    state.report.jobs.push(quarantineFinding(before, blocker, ctx.home.database));
    const why = blocker.slice(DAMAGED_RECORD.length);
    const found = describeRecord({ kind: 'job', id: job.id, why }, ctx.home);
    ctx.store.addQuarantine([found], ctx.boot).catch((error: unknown) => {
      ctx.log.warn(`the damage of job ${job.number} is not on the list yet: ${messageOf(error)}`, { job: job.id });
    });
  };
}

/** Returns whether this start found the row of a token damaged: it may have forgotten that it was revoked. */
export function distrustsToken(state: ServerState): (tokenId: string) => boolean {
  return (tokenId) => state.damaged.some((one) => one.kind === 'token' && one.item === tokenId);
}
