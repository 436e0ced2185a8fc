/** The queue's one way out: jobs in order, each under a new fence, within the limits. */
import { chooseClaims } from '../../lifecycle/choose-claims.ts';
import { baseOf, repositoriesOf, type Job } from '../../lifecycle/job.ts';
import { JOB_TRANSITIONS } from '../../lifecycle/transitions.ts';
import { fail } from '../../kernel/errors.ts';
import { getNewestBatch } from './batches.ts';
import type { WaitingLine } from './counters.ts';
import type { Chained, JobRecord } from './entities.ts';
import { writeJob, type JobWrite } from './job-moves.ts';
import { readJob, toJob } from './jobs.ts';
import type { Session } from './session.ts';
import { listLiterals } from './sql.ts';

const GUARD = ` AND state IN (${listLiterals(JOB_TRANSITIONS.claim.from)}) AND frozen = 0`;

/** Heads of a line that are looked at for one that needs no fetch, while its source does not answer. */
const TROUBLED_WINDOW = 64;

type Record = Chained<JobRecord>;

function compareOrder(a: Record, b: Record): number {
  return b.record.priority - a.record.priority || (a.record.queueSeq ?? 0) - (b.record.queueSeq ?? 0);
}

/** A repository that can be used: its free places, and, while its source is in trouble, the last place already fetched. */
interface Usable {
  room: number;
  fetchedThrough: number | null;
}

/** Reads each repository once per claim. */
class Repositories {
  readonly #session: Session;
  readonly #known = new Map<string, Usable | null>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Null for one that is unavailable or not registered. */
  get(name: string): Usable | null {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const read = this.#read(name);
    this.#known.set(name, read);
    return read;
  }

  /** Free places of all that were asked for. */
  rooms(): Map<string, number> {
    const rooms = new Map<string, number>();
    for (const [name, usable] of this.#known) if (usable !== null) rooms.set(name, usable.room);
    return rooms;
  }

  #read(name: string): Usable | null {
    const { sql, counters } = this.#session;
    const text = 'SELECT id, concurrency, trouble FROM repositories WHERE name = $1 AND unavailable IS NULL';
    const row = sql.get(text, name);
    if (row === null) return null;
    const room = Number(row['concurrency']) - counters.activeOf(name);
    const isTroubled = row['trouble'] !== null && !isDue(row['trouble']);
    const fetchedThrough = isTroubled ? (getNewestBatch(this.#session, String(row['id']))?.through ?? 0) : null;
    return { room, fetchedThrough };
  }
}

function isDue(trouble: unknown): boolean {
  return (JSON.parse(String(trouble)) as { retryAt: number | null }).retryAt === null;
}

/** Whether a job would have to ask a source that does not answer. */
function needsSilentSource(job: JobRecord, repositories: Repositories): boolean {
  return repositoriesOf(job).some((name) => {
    const through = repositories.get(name)?.fetchedThrough ?? null;
    return through !== null && baseOf(job, name) === null && (job.queueSeq ?? 0) > through;
  });
}

/**
 * Returns the heads of one line in queue order. Reads the line's own part of an index, so that ten thousand jobs waiting
 * for a busy repository cost nothing. Of jobs of several repositories the first is returned even where there is no room:
 * later ones may pass it only so often.
 */
function listHeads(
  session: Session,
  repositories: Repositories,
  { line, max }: { line: WaitingLine; max: number },
): Record[] {
  const names = [line.repository, ...(line.others === null ? [] : (JSON.parse(line.others) as string[]))];
  const usable = names.map((name) => repositories.get(name));
  if (usable.includes(null)) return [];
  const room = Math.min(max, ...usable.map((one) => one?.room ?? 0));
  const wanted = line.others === null ? room : Math.max(1, room);
  if (wanted <= 0) return [];
  const isTroubled = usable.some((one) => one?.fetchedThrough !== null);
  // A bound LIMIT would be planned anew each time, which takes longer than the query.
  const limit = isTroubled ? TROUBLED_WINDOW : wanted;
  const order = `state = 'queued' AND frozen = 0 ORDER BY priority DESC, queue_seq LIMIT ${limit}`;
  const rows =
    line.others === null
      ? session.sql.all(`SELECT id FROM jobs WHERE repository = $1 AND others IS NULL AND ${order}`, line.repository)
      : session.sql.all(
          `SELECT id FROM jobs WHERE repository = $1 AND others IS $2 AND ${order}`,
          line.repository,
          line.others,
        );
  const heads = rows.map((row) => readJob(session, String(row['id'])));
  if (!isTroubled) return heads;
  return heads.filter(({ record }) => !needsSilentSource(record, repositories)).slice(0, wanted);
}

function writeWaiting(session: Session, job: Record, write: Pick<JobWrite, 'kind' | 'actor' | 'changes'>): Record {
  return writeJob(session, job, {
    ...write,
    guard: GUARD,
    fence: job.record.fence,
    refusal: () => fail('internal', `job ${job.record.number} moved while it was being claimed`),
  });
}

/** Claims up to `max` jobs for a boot. */
export function claimJobs(session: Session, claim: { boot: string; hostLimit: number; max: number }): Job[] {
  const { counters } = session;
  const active = counters.inState('preparing') + counters.inState('running');
  const max = Math.floor(Math.min(claim.max, claim.hostLimit - active));
  if (!(max >= 1)) return [];
  const repositories = new Repositories(session);
  const heads = counters.waitingLines().flatMap((line) => listHeads(session, repositories, { line, max }));
  const byId = new Map(heads.toSorted(compareOrder).map((job) => [job.record.id, job]));
  const candidates = [...byId.values()].map(({ record }) => ({
    id: record.id,
    repositories: repositoriesOf(record),
    overtaken: record.overtaken ?? 0,
  }));
  const choice = chooseClaims({ candidates, room: repositories.rooms(), max });
  const actor = claim.boot;
  for (const { id, overtaken } of choice.overtaken) {
    const job = byId.get(id);
    if (job !== undefined) writeWaiting(session, job, { kind: 'job.overtake', actor, changes: { overtaken } });
  }
  return choice.claimed.flatMap((id) => {
    const job = byId.get(id);
    if (job === undefined) return [];
    const changes = { state: 'preparing' as const, fence: job.record.fence + 1, claimedBy: claim.boot };
    return [toJob(writeWaiting(session, job, { kind: 'job.claim', actor, changes }).record)];
  });
}
