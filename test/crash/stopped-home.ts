import type { Attempt } from '../../src/lifecycle/attempt.ts';
import type { Home } from '../../src/lifecycle/home.ts';
import type { Job } from '../../src/lifecycle/job.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Boot, JournalEvent, Store, StoreCheck } from '../../src/store/store.ts';
import type { Lock } from '../../src/store/waiting-store.ts';

/** Everything the store of a home without a server says. */
export interface StoppedHome {
  jobs: Job[];
  /** Oldest first, by job. */
  attempts: Map<string, Attempt[]>;
  queue: Job[];
  events: JournalEvent[];
  locks: Lock[];
  /** Newest first. */
  boots: Boot[];
  /** Stored prompts of the jobs, by job. */
  prompts: Map<string, string | null>;
  check: StoreCheck;
}

const PAGE = 200;

/** Reads the store of a home that no server holds, replays its journal and compares it with its rows. */
export async function readStoppedHome(home: Home): Promise<StoppedHome> {
  const store = openSqliteStore({ path: home.database });
  await store.start();
  try {
    const jobs = await listAllJobs(store);
    const attempts = new Map<string, Attempt[]>();
    const prompts = new Map<string, string | null>();
    for (const job of jobs) {
      attempts.set(job.id, await store.listAttempts(job.id));
      prompts.set(job.id, await store.getPrompt(job.promptSha256));
    }
    const [queue, locks, boots, events, check] = await Promise.all([
      store.listQueue(10_000),
      store.listLocks(),
      store.listBoots(),
      listAllEvents(store),
      store.checkDeep(),
    ]);
    return { jobs, attempts, queue, events, locks, boots, prompts, check };
  } finally {
    await store.stop();
  }
}

async function listAllJobs(store: Store): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await store.listJobs({ limit: PAGE, ...(cursor === null ? {} : { cursor }) });
    jobs.push(...page.items);
    cursor = page.nextCursor;
    if (cursor === null) return jobs.toSorted((a, b) => a.number - b.number);
  }
}

async function listAllEvents(store: Store): Promise<JournalEvent[]> {
  const events: JournalEvent[] = [];
  for (;;) {
    const more = await store.listEvents({ after: events.at(-1)?.seq ?? 0, limit: PAGE });
    events.push(...more);
    if (more.length < PAGE) return events;
  }
}
