/** The queue's one way out: jobs in order, each under a new fence, within the limits. */
import type { Job } from '../../lifecycle/job.ts';
import { JOB_TRANSITIONS } from '../../lifecycle/transitions.ts';
import { fail } from '../../kernel/errors.ts';
import type { Chained, JobRecord } from './entities.ts';
import { writeJob } from './job-moves.ts';
import { readJob, toJob } from './jobs.ts';
import type { Session } from './session.ts';
import { listLiterals } from './sql.ts';

const GUARD = ` AND state IN (${listLiterals(JOB_TRANSITIONS.claim.from)}) AND frozen = 0`;

function compareOrder(a: Chained<JobRecord>, b: Chained<JobRecord>): number {
  return b.record.priority - a.record.priority || (a.record.queueSeq ?? 0) - (b.record.queueSeq ?? 0);
}

/**
 * Returns the first claimable jobs in queue order, at most `max`. Reads the heads of each repository's own index, so
 * that ten thousand jobs waiting for a busy repository cost nothing.
 */
function listCandidates(session: Session, max: number): Chained<JobRecord>[] {
  const candidates: Chained<JobRecord>[] = [];
  const { sql, counters } = session;
  for (const name of counters.waitingRepositories()) {
    const row = sql.get('SELECT concurrency FROM repositories WHERE name = $1 AND unavailable IS NULL', name);
    const room = row === null ? 0 : Number(row['concurrency']) - counters.activeOf(name);
    if (room <= 0) continue;
    // A bound LIMIT would be planned anew each time, which takes longer than the query.
    const heads = sql.all(
      `SELECT id FROM jobs WHERE repository = $1 AND state = 'queued' AND frozen = 0
       ORDER BY priority DESC, queue_seq LIMIT ${Math.min(room, max)}`,
      name,
    );
    for (const head of heads) candidates.push(readJob(session, String(head['id'])));
  }
  return candidates.toSorted(compareOrder).slice(0, max);
}

/** Claims up to `max` jobs for a boot. */
export function claimJobs(session: Session, claim: { boot: string; hostLimit: number; max: number }): Job[] {
  const { counters } = session;
  const active = counters.inState('preparing') + counters.inState('running');
  const max = Math.min(claim.max, claim.hostLimit - active);
  if (!(max >= 1)) return [];
  return listCandidates(session, Math.floor(max)).map((job) => {
    const write = writeJob(session, job, {
      kind: 'job.claim',
      actor: claim.boot,
      changes: { state: 'preparing', fence: job.record.fence + 1, claimedBy: claim.boot },
      guard: GUARD,
      fence: job.record.fence,
      refusal: () => fail('internal', `job ${job.record.number} moved while it was being claimed`),
    });
    return toJob(write.record);
  });
}
