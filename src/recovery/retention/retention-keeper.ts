/**
 * Takes away what is old enough: workspaces of ended jobs, then ended jobs. Looks once after the start and then now and
 * again, pages through an index by age, takes one job after another and rests as long as it worked, so that nobody who
 * submits feels it. Ages are counted in time that evidently passed (lifecycle/retention.ts).
 */
import type { AttemptContext } from '../../attempts/context.ts';
import { delay } from '../../kernel/backoff.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { isDiskFull, messageOf } from '../../kernel/result.ts';
import type { Service } from '../../kernel/service.ts';
import type { Job } from '../../lifecycle/job.ts';
import {
  beginWitness,
  believedTime,
  longestSpan,
  witnessTime,
  type ClockWitness,
  type RetentionSpans,
} from '../../lifecycle/retention.ts';
import { readClockFile, writeClockFile } from './clock-file.ts';
import { removeExpired } from './remove-expired.ts';
import { retireWorkspace } from './retire-workspace.ts';

const PAGE = 100;
/** Longest rest after one job, milliseconds. */
const MAX_REST_MS = 2000;
/** Between two looks at most and at least, milliseconds; a tenth of the shortest span in between. */
const MAX_INTERVAL_MS = 3_600_000;
const MIN_INTERVAL_MS = 1000;
/** Between two looks at what was sent and never recorded, milliseconds. */
const STAGING_INTERVAL_MS = 24 * 3_600_000;
/** How long a stop waits for the job in hand, milliseconds. */
const STOP_WAIT_MS = 2000;
/** Jobs named that are old enough and stay. */
const MAX_NAMED = 20;

/** What retention did and does, for people and metrics. */
export interface RetentionState {
  spans: RetentionSpans;
  witness: ClockWitness;
  /** Since this server started. */
  removed: { workspaces: number; jobs: number; staged: number };
  /** Old enough at the last look, and kept: by job, with the reason. */
  kept: { job: number; what: 'workspace' | 'job'; why: string }[];
  keptTotal: number;
  lookedAt: number | null;
}

export interface RetentionKeeper extends Service {
  /** Compares the clock with what is known of it, durably; before a server is ready, so that its first look finds it done. */
  witness(): Promise<void>;
  state(): RetentionState;
}

export interface RetentionInput {
  spans: RetentionSpans;
  /** When a server of this home was last known alive, milliseconds since 1970; null for a new home. */
  lastSignAt: () => number | null;
  /** Removes what was sent for jobs and never recorded, older than a day at `now`; returns how much. */
  sweepStaging: (now: number) => Promise<number>;
  onDamage: (why: string) => void;
}

type Kept = RetentionState['kept'][number];

/** Returns the keeper of ages of a server. */
export function createRetentionKeeper(ctx: AttemptContext, input: RetentionInput): RetentionKeeper {
  return new Keeper(ctx, input);
}

class Keeper implements RetentionKeeper {
  readonly #ctx: AttemptContext;
  readonly #input: RetentionInput;
  readonly #removed = { workspaces: 0, jobs: 0, staged: 0 };
  #witness: ClockWitness;
  #isRead = false;
  #isWitnessed = false;
  #lookedAt: number | null = null;
  #monotonicAt: number | null = null;
  #stagingAt: number | null = null;
  #kept: Kept[] = [];
  #keptTotal = 0;
  #found: { kept: Kept[]; total: number } = { kept: [], total: 0 };
  #toldAheadMs = 0;
  #closing: AbortController | null = null;
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(ctx: AttemptContext, input: RetentionInput) {
    this.#ctx = ctx;
    this.#input = input;
    this.#witness = beginWitness(ctx.clock.now());
  }

  async start(): Promise<void> {
    if (this.#closing !== null) return;
    this.#closing = new AbortController();
    this.#begin(this.#closing.signal);
  }

  async witness(): Promise<void> {
    await this.#witnessClock();
    this.#isWitnessed = true;
  }

  async stop(): Promise<void> {
    this.#closing?.abort(new Error('the server is stopping'));
    if (this.#timer !== null) clearTimeout(this.#timer);
    // What it is deleting may take long; a crash would not wait for it either.
    const waited = new AbortController();
    const looking = this.#looking.finally(() => waited.abort());
    await Promise.race([looking, delay(STOP_WAIT_MS, waited.signal).catch(() => undefined)]);
    this.#closing = null;
  }

  state(): RetentionState {
    const { spans } = this.#input;
    const removed = { ...this.#removed };
    const [witness, kept, keptTotal, lookedAt] = [this.#witness, this.#kept, this.#keptTotal, this.#lookedAt];
    return { spans, witness, removed, kept, keptTotal, lookedAt };
  }

  #begin(signal: AbortSignal): void {
    this.#looking = this.#look(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#ctx.log.warn(`retention stops until its next look: ${messageOf(error)}`);
      })
      .finally(() => {
        if (signal.aborted) return;
        this.#timer = setTimeout(() => this.#begin(signal), this.#interval()).unref();
      });
  }

  #interval(): number {
    const { workspacesMs, jobsMs } = this.#input.spans;
    const shortest = Math.min(workspacesMs ?? MAX_INTERVAL_MS * 10, jobsMs ?? MAX_INTERVAL_MS * 10);
    return Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, shortest / 10));
  }

  async #look(signal: AbortSignal): Promise<void> {
    if (!this.#isWitnessed) await this.#witnessClock();
    this.#isWitnessed = false;
    const { store } = this.#ctx;
    const now = believedTime(this.#witness);
    this.#found = { kept: [], total: 0 };
    // What was begun is finished, whatever the clock or the configuration say now.
    for (;;) {
      const begun = await store.listRetirements(PAGE);
      let done = 0;
      for (const job of begun) if (await this.#take(job, 'workspace', signal)) done += 1;
      if (done === 0) break;
    }
    const { workspacesMs, jobsMs } = this.#input.spans;
    // Whole jobs first: nothing is saved that goes at once.
    if (jobsMs !== null) await this.#page({ before: now - jobsMs, what: 'job' }, signal);
    if (workspacesMs !== null) await this.#page({ before: now - workspacesMs, what: 'workspace' }, signal);
    this.#kept = this.#found.kept;
    this.#keptTotal = this.#found.total;
    await this.#sweepStaging(now);
    this.#lookedAt = this.#ctx.clock.now();
  }

  /** Durable before anything is judged by it: a server that dies here judges by the same. */
  async #witnessClock(): Promise<void> {
    const { clock, home, log } = this.#ctx;
    if (!this.#isRead) await this.#readClock();
    const monotonicAt = clock.monotonic();
    const passedMs = this.#monotonicAt === null ? 0 : monotonicAt - this.#monotonicAt;
    const longestMs = longestSpan(this.#input.spans);
    const witness = witnessTime(this.#witness, { wallAt: clock.now(), passedMs, longestMs });
    await writeClockFile(home.retentionFile, witness);
    this.#witness = witness;
    this.#monotonicAt = monotonicAt;
    if (witness.aheadMs > this.#toldAheadMs) {
      log.warn(
        `the clock is ${formatDuration(witness.aheadMs)} ahead of the time that evidently passed: retention counts without it`,
      );
    }
    this.#toldAheadMs = witness.aheadMs;
  }

  async #readClock(): Promise<void> {
    const { clock, home, log } = this.#ctx;
    const { witness, damage } = await readClockFile(home.retentionFile);
    if (damage !== null) {
      log.warn(`${home.retentionFile} is not believed: ${damage}`);
      this.#input.onDamage(damage);
    }
    // A clock may have been set before anybody looked: an earlier server is the next best witness.
    this.#witness = witness ?? beginWitness(this.#input.lastSignAt() ?? clock.now());
    this.#isRead = true;
  }

  async #page(query: { before: number; what: Kept['what'] }, signal: AbortSignal): Promise<void> {
    const { before, what } = query;
    for (let after: { finishedAt: number; number: number } | null = null; ;) {
      const workspaces = what === 'workspace';
      const page: Job[] = await this.#ctx.store.listEnded({ before, workspaces, after, limit: PAGE });
      for (const job of page) await this.#take(job, what, signal);
      const last = page.at(-1);
      if (last === undefined || last.finishedAt === null) return;
      after = { finishedAt: last.finishedAt, number: last.number };
    }
  }

  /** Takes one; what goes wrong with it is told once, and does not keep the others. */
  async #take(job: Job, what: Kept['what'], signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const { clock, log, store } = this.#ctx;
    const began = clock.monotonic();
    let isDone = false;
    try {
      if (what === 'job') isDone = await removeExpired(this.#ctx, job);
      else if ((await store.listQuarantine({ jobId: job.id, limit: 1 })).items.length > 0) {
        this.#keep(job, what, 'something of it is in quarantine, and nobody has released it');
      } else isDone = await retireWorkspace(this.#ctx, job);
    } catch (error) {
      if (isDiskFull(error)) throw error;
      this.#keep(job, what, messageOf(error));
    }
    if (isDone) {
      this.#removed[what === 'job' ? 'jobs' : 'workspaces'] += 1;
      const text = what === 'job' ? `Job ${job.number} is removed` : `The workspace of job ${job.number} is removed`;
      log.info(`${text}: it ended ${formatDuration(believedTime(this.#witness) - (job.finishedAt ?? 0))} ago`, {
        job: job.id,
      });
    }
    await delay(Math.min(MAX_REST_MS, clock.monotonic() - began), signal);
    return isDone;
  }

  #keep(job: Job, what: Kept['what'], why: string): void {
    this.#found.total += 1;
    if (this.#found.kept.length < MAX_NAMED) this.#found.kept.push({ job: job.number, what, why });
    const isKnown = this.#kept.some((one) => one.job === job.number && one.what === what && one.why === why);
    const text = `the ${what === 'job' ? 'records' : 'workspace'} of job ${job.number} stays: ${why}`;
    if (!isKnown) this.#ctx.log.warn(text, { job: job.id });
  }

  async #sweepStaging(now: number): Promise<void> {
    const at = this.#ctx.clock.monotonic();
    // The look for orphans after a start has just been there.
    this.#stagingAt ??= at;
    if (at - this.#stagingAt < STAGING_INTERVAL_MS) return;
    this.#stagingAt = at;
    this.#removed.staged += await this.#input.sweepStaging(now);
  }
}
