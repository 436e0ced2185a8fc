/** A real journal of jobs with times that are chosen, for the tests of this room. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LIMITS, type Job } from '../lifecycle/job.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import type { JournalEvent, Store } from '../store/store.ts';
import { Tally } from './tally.ts';

export const BEGIN = Date.UTC(2030, 0, 1);

/** A store on a temporary directory under a clock that only moves when it is told to. */
export class Journal implements AsyncDisposable {
  readonly root: string;
  readonly store: Store;
  now = BEGIN;
  #boot = 'boot-0';
  #boots = 0;

  private constructor(root: string) {
    this.root = root;
    const clock = { now: () => this.now, monotonic: () => performance.now() };
    this.store = openSqliteStore({ path: join(root, 'holdfast.db'), clock });
  }

  static async open(): Promise<Journal> {
    const journal = new Journal(await mkdtemp(join(tmpdir(), 'holdfast-statistics-')));
    await journal.store.start();
    for (const name of ['app', 'lib']) await journal.addRepository(name);
    return journal;
  }

  get file(): string {
    return join(this.root, 'statistics.json');
  }

  async addRepository(name: string): Promise<void> {
    const rest = { base: 'main', verify: [], merge: false, trusted: false, command: null };
    await this.store.addRepository({ name, source: '/srv', sourceKind: 'path', concurrency: 1000, ...rest });
  }

  async accept(repository = 'app', agent = 'exec', start = true): Promise<Job> {
    const rest = { priority: 0, onInterrupt: 'continue', limits: DEFAULT_LIMITS, deadlineMs: null } as const;
    const work = { repository, agent, prompt: 'work', command: null, pipeline: 'implement' } as const;
    const input = { ...work, ...rest, start, principal: 'local', idempotency: null };
    return (await this.store.acceptJob(input)).job;
  }

  /** Claims one job, whichever is first. */
  async claim(): Promise<Job | null> {
    return (await this.store.claimJobs({ boot: this.#boot, hostLimit: 100_000, max: 1 }))[0] ?? null;
  }

  async launch({ id, fence }: Job): Promise<Job> {
    const boot = this.#boot;
    return (await this.store.intendAttempt({ jobId: id, fence, mode: 'cold', sessionId: null, boot })).job;
  }

  async settle(job: Job, transition: 'complete' | 'fail' | 'interrupt' | 'cancel' | 'time_out'): Promise<Job> {
    const attempt = await this.store.getAttempt(job.id, job.attempts);
    if (attempt === null) throw new Error('it has no attempt');
    const owner = { fence: job.fence, actor: this.#boot };
    const move = transition === 'interrupt' ? 'interrupt' : 'finish';
    const settled = await this.store.settleAttempt(
      { id: attempt.id, transition: move, ...owner },
      { id: job.id, transition, ...owner },
    );
    return settled.job;
  }

  /** One whole job, its stages as long as they are given; returns it as it ended. */
  async play(spans: { waiting: number; preparing: number; running: number }, agent = 'exec'): Promise<Job> {
    await this.accept('app', agent);
    this.now += spans.waiting;
    const claimed = await this.claim();
    if (claimed === null) throw new Error('nothing to claim');
    this.now += spans.preparing;
    const running = await this.launch(claimed);
    this.now += spans.running;
    return this.settle(running, 'complete');
  }

  /** A start of the server; `ready` ends its recovery. */
  async boot(): Promise<void> {
    this.#boot = `boot-${++this.#boots}`;
    const rest = { previousId: null, hostBoot: 'h', host: 'h', pid: 1, previousStop: 'crash' } as const;
    await this.store.recordBoot({ id: this.#boot, startedAt: this.now, ...rest });
  }

  async ready(): Promise<void> {
    await this.store.updateBoot(this.#boot, { readyAt: this.now });
  }

  async events(): Promise<JournalEvent[]> {
    const events: JournalEvent[] = [];
    for (;;) {
      const page = await this.store.listEvents({ after: events.at(-1)?.seq ?? 0, limit: 1000 });
      events.push(...page);
      if (page.length < 1000) return events;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.stop();
    await rm(this.root, { recursive: true, force: true });
  }
}

/** Counts all events at once: what every other way must come to. */
export function countAll(events: readonly JournalEvent[]): Tally {
  const tally = new Tally();
  for (const event of events) {
    const { jobId, seq } = event;
    if (jobId !== null && tally.needsCourse(event)) {
      tally.learn(
        jobId,
        events.filter((one) => one.jobId === jobId && one.seq < seq),
      );
    }
    tally.take(event);
  }
  return tally;
}
