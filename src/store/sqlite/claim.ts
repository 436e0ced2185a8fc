/**
 * The queue's one way out: jobs in order, each under a new fence, within the limits. A job that an earlier server left
 * waiting is verified here first, in the same transaction: a damaged record is set aside and never run.
 */
import { chooseClaims } from '../../lifecycle/choose-claims.ts';
import { needsSource, repositoriesOf, type Job } from '../../lifecycle/job.ts';
import { SLOT_STAGES } from '../../lifecycle/plan.ts';
import { JOB_TRANSITIONS } from '../../lifecycle/transitions.ts';
import { fail } from '../../kernel/errors.ts';
import { DAMAGED_RECORD } from '../quarantine-store.ts';
import { getNewestBatch } from './batches.ts';
import type { WaitingLine } from './counters.ts';
import type { Chained, JobRecord } from './entities.ts';
import { moveChainedJob } from './job-moves.ts';
import { readJob, toJob } from './jobs.ts';
import type { Session } from './session.ts';
import { listLiterals } from './sql.ts';
import { HAS_BEGUN_OR_NEED_NOT, NEEDS_NO_SLOT, STANDINGS, listFreeSurfaces } from './surfaces.ts';
import { verifyJob } from './verify-job.ts';
import { writeJob, type JobWrite } from './write-job.ts';

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
    if (through === null || !needsSource(job, name)) return false;
    // What was fetched for others since it was queued is enough to begin; a merge looks at what is there now.
    return job.stage === 'merge' || (job.queueSeq ?? 0) > through;
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
  const names = [line.repository, ...(readOthers(line) ?? [])];
  const usable = names.map((name) => repositories.get(name));
  if (usable.includes(null)) return [];
  const room = Math.min(max, ...usable.map((one) => one?.room ?? 0));
  const wanted = line.others === null ? room : Math.max(1, room);
  if (wanted <= 0) return [];
  const isTroubled = usable.some((one) => one?.fetchedThrough !== null);
  // A bound LIMIT would be planned anew each time, which takes longer than the query.
  const limit = isTroubled ? TROUBLED_WINDOW : wanted;
  // The last two hold for every queued job: one with an ending could neither be claimed nor set aside.
  const order = `state = 'queued' AND frozen = 0 AND ${HAS_BEGUN_OR_NEED_NOT} AND ${NEEDS_NO_SLOT} AND outcome IS NULL
    AND finished_at IS NULL ORDER BY priority DESC, queue_seq LIMIT ${limit}`;
  const rows =
    line.others === null
      ? session.sql.all(`SELECT id FROM jobs WHERE repository = $1 AND others IS NULL AND ${order}`, line.repository)
      : session.sql.all(
          `SELECT id FROM jobs WHERE repository = $1 AND others IS $2 AND ${order}`,
          line.repository,
          line.others,
        );
  const heads = rows.map((row) => readJob(session, String(row['id'])));
  if (line.others === null) {
    const free = listFreeSurfaces(session, line.repository, wanted).map((id) => readJob(session, id));
    const isSlotted = (job: Record): boolean => SLOT_STAGES.some((stage) => stage === job.record.stage);
    heads.push(...free.filter((job) => !isSlotted(job)));
    heads.push(...listSlotHeads(session, line.repository, free));
  }
  if (!isTroubled) return heads;
  const able = heads.filter(({ record }) => !needsSilentSource(record, repositories));
  return able.toSorted(compareOrder).slice(0, wanted);
}

/**
 * Returns the first waiting job for each slot of a repository that nobody holds: one at a time tests or merges there.
 * `free` are jobs that could take their surface now, in their order: some of them may be at such a stage, reopened.
 */
function listSlotHeads(session: Session, repository: string, free: readonly Record[]): Record[] {
  return SLOT_STAGES.flatMap((stage) => {
    const row = session.sql.get(
      `SELECT id FROM jobs WHERE repository = $1 AND stage = $2 AND state = 'queued' AND frozen = 0
         AND stage IN ('verify', 'merge') AND outcome IS NULL AND finished_at IS NULL AND ${HAS_BEGUN_OR_NEED_NOT}
         ORDER BY jobs.priority DESC, jobs.queue_seq LIMIT 1`,
      repository,
      stage,
    );
    const reopened = free.find(({ record }) => record.stage === stage);
    const waiting = [...(row === null ? [] : [readJob(session, String(row['id']))]), ...(reopened ? [reopened] : [])];
    const [first] = waiting.toSorted(compareOrder);
    if (first === undefined) return [];
    const held = session.sql.get(
      `SELECT 1 FROM jobs WHERE state IN ('preparing', 'running') AND stage = $1 AND repository = $2 LIMIT 1`,
      stage,
      repository,
    );
    return held === null ? [first] : [];
  });
}

/** Returns the further repositories of a line; null where damage left no list of names. */
function readOthers({ others }: WaitingLine): string[] | null {
  if (others === null) return [];
  try {
    const names: unknown = JSON.parse(others);
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : null;
  } catch {
    return null;
  }
}

/** Returns what is wrong with a job that this server found waiting; one it accepted itself was written by it. */
function findFaults({ sql, inheritedThrough }: Session, { record }: Record): string[] {
  return record.number > inheritedThrough ? [] : verifyJob(sql, record.id);
}

function setAside(session: Session, job: Record, input: { faults: readonly string[]; actor: string }): Job {
  const blocker = DAMAGED_RECORD + input.faults.join('; ');
  const set = { reason: 'record_corrupt' as const, blocker, transcriptSha256: null };
  const move = { id: job.record.id, transition: 'quarantine' as const, fence: null, set, actor: input.actor };
  return toJob(moveChainedJob(session, job, { move }).record);
}

function writeWaiting(session: Session, job: Record, write: Pick<JobWrite, 'kind' | 'actor' | 'changes'>): Record {
  return writeJob(session, job, {
    ...write,
    guard: GUARD,
    fence: job.record.fence,
    refusal: () => fail('internal', `job ${job.record.number} moved while it was being claimed`),
  });
}

/** Jobs whose line damage made unreadable: they could not even be chosen among. */
function listUnreadable(session: Session, lines: readonly WaitingLine[], max: number): Record[] {
  return lines
    .filter((line) => readOthers(line) === null)
    .flatMap(({ repository, others }) =>
      STANDINGS.flatMap((standing) =>
        session.sql.all(
          `SELECT id FROM jobs WHERE repository = $1 AND others IS $2 AND state = 'queued' AND frozen = 0
             AND ${standing} AND outcome IS NULL AND finished_at IS NULL LIMIT $3`,
          repository,
          others,
          max,
        ),
      ),
    )
    .map((row) => readJob(session, String(row['id'])));
}

/** Claims up to `max` jobs for a boot; those found damaged are set aside instead, and returned as they then are. */
export function claimJobs(session: Session, claim: { boot: string; hostLimit: number; max: number }): Job[] {
  const { counters } = session;
  const active = counters.inState('preparing') + counters.inState('running');
  const max = Math.floor(Math.min(claim.max, claim.hostLimit - active));
  if (!(max >= 1)) return [];
  const repositories = new Repositories(session);
  const actor = claim.boot;
  const lines = counters.waitingLines();
  const aside = listUnreadable(session, lines, max).map((job) => {
    const faults = verifyJob(session.sql, job.record.id);
    return setAside(session, job, { faults: faults.length > 0 ? faults : ['its repositories cannot be read'], actor });
  });
  const readable = lines.filter((line) => readOthers(line) !== null);
  const heads = readable.flatMap((line) => listHeads(session, repositories, { line, max }));
  const byId = new Map(heads.toSorted(compareOrder).map((job) => [job.record.id, job]));
  const candidates = [...byId.values()].map(({ record }) => ({
    id: record.id,
    repositories: repositoriesOf(record),
    overtaken: record.overtaken ?? 0,
  }));
  const choice = chooseClaims({ candidates, room: repositories.rooms(), max });
  for (const { id, overtaken } of choice.overtaken) {
    const job = byId.get(id);
    if (job !== undefined) writeWaiting(session, job, { kind: 'job.overtake', actor, changes: { overtaken } });
  }
  const claimed = choice.claimed.flatMap((id) => {
    const job = byId.get(id);
    if (job === undefined) return [];
    const faults = findFaults(session, job);
    if (faults.length > 0) return [setAside(session, job, { faults, actor })];
    // Why it could not begin before is over.
    const waited = job.record.reason === null ? {} : { reason: null, blocker: null };
    const changes = { state: 'preparing' as const, fence: job.record.fence + 1, claimedBy: claim.boot, ...waited };
    return [toJob(writeWaiting(session, job, { kind: 'job.claim', actor, changes }).record)];
  });
  return [...aside, ...claimed];
}
