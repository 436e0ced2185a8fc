import type { JournalEvent } from '../store.ts';
import type { Counters } from './counters.ts';
import type { AttemptRecord, Chained, JobRecord } from './entities.ts';
import type { RecordCache } from './record-cache.ts';
import type { Sql } from './sql.ts';

/** What one request works with: the open transaction, its time, and the events it has written so far. */
export interface Session {
  readonly sql: Sql;
  readonly counters: Counters;
  readonly jobs: RecordCache<Chained<JobRecord>>;
  readonly attempts: RecordCache<AttemptRecord>;
  /** Number of the last job somebody else wrote: up to it, jobs are verified before they are claimed. */
  readonly inheritedThrough: number;
  /** Milliseconds since 1970, stamped by the clock of the thread that asked. */
  at: number;
  events: JournalEvent[];
}

/** What a read works with. */
export type Reader = Pick<Session, 'sql' | 'counters'>;
