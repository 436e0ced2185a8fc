/**
 * Numbers that only grow, how many jobs each state holds, and how many jobs of each repository wait or work. Kept in
 * memory, because every write needs some of them, and written once per group inside its transaction; a request that is
 * rolled back takes its changes back, so the memory never differs from what the transaction holds.
 */
import { DELIVERY_STATES, type DeliveryState } from '../../lifecycle/delivery.ts';
import { repositoriesOf } from '../../lifecycle/job.ts';
import { JOB_STATES, isActive, type JobState } from '../../lifecycle/transitions.ts';
import type { JobRecord } from './entities.ts';
import type { Sql } from './sql.ts';

export type Sequence = 'seq' | 'jobNumber' | 'queueSeq' | 'lockFence' | 'bootNumber' | 'deliveryNumber';

/** What counting needs to know of a job. */
export type CountedJob = Pick<JobRecord, 'repository' | 'others' | 'frozen'>;

/** Jobs that need the same repositories: the first one, and the column `others` as it is stored. */
export interface WaitingLine {
  repository: string;
  others: string | null;
}

/** No name of a repository holds it. */
const LINE_SEPARATOR = '\n';

function lineOf(repository: string, others: string | null): string {
  return others === null ? repository : `${repository}${LINE_SEPARATOR}${others}`;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export class Counters {
  readonly #sql: Sql;
  readonly #values = new Map<string, number>();
  readonly #dirty = new Set<string>();
  /** What undoes the changes since the last mark, newest last. */
  #undo: { name: string; before: number }[] = [];

  constructor(sql: Sql) {
    this.#sql = sql;
    this.load();
  }

  /** Reads everything again; cost grows with live work only. */
  load(): void {
    this.#values.clear();
    this.#dirty.clear();
    this.#undo = [];
    for (const row of this.#sql.all('SELECT name, value FROM counters')) {
      this.#values.set(String(row['name']), Number(row['value']));
    }
    const claimable = `SELECT repository, others, count(*) AS n FROM jobs WHERE state = 'queued' AND frozen = 0
       GROUP BY repository, others`;
    for (const row of this.#sql.all(claimable)) {
      this.#values.set(`waiting:${lineOf(String(row['repository']), textOrNull(row['others']))}`, Number(row['n']));
    }
    // In the order of the index of active jobs: counting in SQL would be planned over an index of all jobs.
    const active = `SELECT repository, others FROM jobs WHERE state IN ('preparing', 'running') ORDER BY number`;
    for (const row of this.#sql.all(active)) {
      const others = textOrNull(row['others']);
      const more = others === null ? [] : (JSON.parse(others) as string[]);
      for (const repository of [String(row['repository']), ...more]) {
        const name = `active:${repository}`;
        this.#values.set(name, (this.#values.get(name) ?? 0) + 1);
      }
    }
  }

  /** Returns the next number of a sequence, from 1. */
  next(sequence: Sequence): number {
    return this.#add(sequence, 1);
  }

  /** Last number given out. */
  last(sequence: Sequence): number {
    return this.#values.get(sequence) ?? 0;
  }

  /** Jobs in a state. */
  inState(state: JobState): number {
    return this.#values.get(`state:${state}`) ?? 0;
  }

  /** Jobs in every state. */
  byState(): Record<JobState, number> {
    return Object.fromEntries(JOB_STATES.map((state) => [state, this.inState(state)])) as Record<JobState, number>;
  }

  /** Jobs of a repository that hold a place among the working ones. */
  activeOf(repository: string): number {
    return this.#values.get(`active:${repository}`) ?? 0;
  }

  /** The lines with a job that could be claimed: jobs that need the same repositories, named in the same order. */
  waitingLines(): WaitingLine[] {
    const lines: WaitingLine[] = [];
    for (const [name, value] of this.#values) {
      if (value <= 0 || !name.startsWith('waiting:')) continue;
      const [repository = '', others = null] = name.slice('waiting:'.length).split(LINE_SEPARATOR);
      lines.push({ repository, others });
    }
    return lines;
  }

  /** Counts a job's way from one state (null: it is new) to another. */
  moveJob(job: CountedJob, from: JobState | null, to: JobState): void {
    if (from === to) return;
    if (from !== null) this.#count(job, from, -1);
    this.#count(job, to, 1);
  }

  /** Counts a delivery's way from one state (null: it is new) to another. */
  moveDelivery(from: DeliveryState | null, to: DeliveryState): void {
    if (from === to) return;
    if (from !== null) this.#add(`delivery:${from}`, -1);
    this.#add(`delivery:${to}`, 1);
  }

  /** Deliveries in every state. */
  deliveriesByState(): Record<DeliveryState, number> {
    const counts = DELIVERY_STATES.map((state) => [state, this.#values.get(`delivery:${state}`) ?? 0]);
    return Object.fromEntries(counts) as Record<DeliveryState, number>;
  }

  /** From here on `rollback` undoes. */
  mark(): void {
    this.#undo = [];
  }

  /** Takes back every change since the mark. */
  rollback(): void {
    for (const { name, before } of this.#undo.toReversed()) this.#values.set(name, before);
    this.#undo = [];
  }

  /** Writes what changed since the last call; inside the group's transaction. */
  save(): void {
    for (const name of this.#dirty) {
      this.#sql.run(
        'INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
        name,
        this.#values.get(name) ?? 0,
      );
    }
    this.#dirty.clear();
  }

  #count(job: CountedJob, state: JobState, by: 1 | -1): void {
    this.#add(`state:${state}`, by);
    if (state === 'queued' && !job.frozen) {
      const others = job.others === null ? null : JSON.stringify(job.others);
      this.#add(`waiting:${lineOf(job.repository, others)}`, by);
    }
    if (isActive(state)) for (const repository of repositoriesOf(job)) this.#add(`active:${repository}`, by);
  }

  #add(name: string, by: number): number {
    const before = this.#values.get(name) ?? 0;
    this.#undo.push({ name, before });
    this.#values.set(name, before + by);
    if (!name.startsWith('waiting:') && !name.startsWith('active:')) this.#dirty.add(name);
    return before + by;
  }
}
