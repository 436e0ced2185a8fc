/**
 * Numbers that only grow, how many jobs each state holds, and how many jobs of each repository wait or work. Kept in
 * memory, because every write needs some of them, and written once per group inside its transaction; a request that is
 * rolled back takes its changes back, so the memory never differs from what the transaction holds.
 */
import { DELIVERY_STATES, type DeliveryState } from '../../lifecycle/delivery.ts';
import { repositoriesOf } from '../../lifecycle/job.ts';
import { JOB_STATES, isActive, isTerminal, type JobState } from '../../lifecycle/transitions.ts';
import type { JobRecord } from './entities.ts';
import type { Sql } from './sql.ts';
import { STANDINGS } from './surfaces.ts';

export type Sequence = 'seq' | 'jobNumber' | 'queueSeq' | 'lockFence' | 'bootNumber' | 'deliveryNumber';

/** What counting needs to know of a job. */
export type CountedJob = Pick<JobRecord, 'repository' | 'others' | 'frozen'>;

/** Jobs that need the same repositories: the first one, and the column `others` as it is stored. */
export interface WaitingLine {
  repository: string;
  others: string | null;
}

/** Begins the name of the count of a waiting line. */
const WAITING = 'waiting:';

/** No name of a repository holds it. */
const LINE_SEPARATOR = '\n';

function lineOf(repository: string, others: string | null): string {
  return others === null ? repository : `${repository}${LINE_SEPARATOR}${others}`;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** A damaged list names nobody: its job is set aside by the checks, and the others must still be counted. */
function parseNames(text: string): string[] {
  try {
    return JSON.parse(text) as string[];
  } catch {
    return [];
  }
}

export class Counters {
  readonly #sql: Sql;
  readonly #values = new Map<string, number>();
  readonly #dirty = new Set<string>();
  #mends = false;
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
    for (const [name, waiting] of this.#readWaiting()) this.#values.set(name, waiting);
    // In the order of the index of active jobs: counting in SQL would be planned over an index of all jobs.
    const active = `SELECT repository, others FROM jobs WHERE state IN ('preparing', 'running') ORDER BY number`;
    for (const row of this.#sql.all(active)) {
      const others = textOrNull(row['others']);
      const more = others === null ? [] : parseNames(others);
      for (const repository of [String(row['repository']), ...more]) {
        const name = `active:${repository}`;
        this.#values.set(name, (this.#values.get(name) ?? 0) + 1);
      }
    }
    if (this.#mends) this.#mend();
  }

  /**
   * Mends what a start can tell from live work alone: a count that lies would starve the queue or give a number twice.
   * Returns what was wrong, in words; the next commit writes what is right. `lastSeq` is the end of the journal.
   */
  heal(lastSeq: number): string[] {
    this.#mends = true;
    return [...this.#correct('seq', lastSeq, true), ...this.#mend()];
  }

  #mend(): string[] {
    const live = this.#sql.all('SELECT state, count(*) AS n FROM jobs WHERE finished_at IS NULL GROUP BY state');
    const counts = new Map(live.map((row) => [String(row['state']), Number(row['n'])]));
    const highest = (text: string): number => Number(this.#sql.get(text)?.['n'] ?? 0);
    const faults = JOB_STATES.filter((state) => !isTerminal(state)).flatMap((state) =>
      this.#correct(`state:${state}`, counts.get(state) ?? 0, true),
    );
    return [
      ...faults,
      ...this.#correct('jobNumber', highest('SELECT max(number) AS n FROM jobs'), false),
      ...this.#correct('bootNumber', highest('SELECT max(number) AS n FROM boots'), false),
      ...this.#correct('lockFence', highest('SELECT max(fence) AS n FROM locks'), false),
      ...this.#correct('queueSeq', highest('SELECT max(queue_seq) AS n FROM jobs WHERE finished_at IS NULL'), false),
    ];
  }

  #correct(name: string, real: number, exact: boolean): string[] {
    const said = this.#values.get(name) ?? 0;
    if (said === real || (!exact && said > real)) return [];
    this.#values.set(name, real);
    this.#dirty.add(name);
    return [`${name} said ${said}, and is at least ${real}`];
  }

  /**
   * Counts anew what can be counted: jobs by state, and what the numbers given out so far must at least be. Reads every
   * job; only for an operator who was told that a count is damaged.
   */
  recount(): void {
    const counts = this.#sql.all('SELECT state, count(*) AS n FROM jobs GROUP BY state');
    const real = new Map(counts.map((row) => [String(row['state']), Number(row['n'])]));
    for (const state of JOB_STATES) this.#set(`state:${state}`, real.get(state) ?? 0);
    const highest = this.#sql.get('SELECT max(number) AS number, max(queue_seq) AS place FROM jobs');
    this.#set('jobNumber', Math.max(this.last('jobNumber'), Number(highest?.['number'] ?? 0)));
    this.#set('queueSeq', Math.max(this.last('queueSeq'), Number(highest?.['place'] ?? 0)));
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

  /**
   * Counts the waiting lines anew, inside the open transaction: what a damaged row says of its line is not what it was
   * counted under. Cost grows with the queue.
   */
  recountWaiting(): void {
    const real = this.#readWaiting();
    for (const [name, value] of this.#values) {
      if (name.startsWith(WAITING) && value !== 0 && !real.has(name)) this.#set(name, 0);
    }
    for (const [name, waiting] of real) if (this.#values.get(name) !== waiting) this.#set(name, waiting);
  }

  #readWaiting(): Map<string, number> {
    const waiting = new Map<string, number>();
    // Each condition is that of an index, in whose order its rows are counted.
    for (const standing of STANDINGS) {
      const text = `SELECT repository, others, count(*) AS n FROM jobs WHERE state = 'queued' AND frozen = 0
         AND ${standing} GROUP BY repository, others`;
      for (const row of this.#sql.all(text)) {
        const name = WAITING + lineOf(String(row['repository']), textOrNull(row['others']));
        waiting.set(name, (waiting.get(name) ?? 0) + Number(row['n']));
      }
    }
    return waiting;
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
      if (value <= 0 || !name.startsWith(WAITING)) continue;
      const [repository = '', others = null] = name.slice(WAITING.length).split(LINE_SEPARATOR);
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

  /** Counts a job that was frozen or unfrozen in its state: a frozen one stands in no line. */
  recountFrozen({ before, after }: { before: JobRecord; after: JobRecord }): void {
    this.#count(before, before.state, -1);
    this.#count(after, after.state, 1);
  }

  /** Takes a removed job out of the count. */
  dropJob(job: CountedJob, state: JobState): void {
    this.#count(job, state, -1);
  }

  /** Takes a delivery that goes with its job out of the count. */
  dropDelivery(state: DeliveryState): void {
    this.#add(`delivery:${state}`, -1);
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
      this.#add(WAITING + lineOf(job.repository, others), by);
    }
    if (isActive(state)) for (const repository of repositoriesOf(job)) this.#add(`active:${repository}`, by);
  }

  #set(name: string, value: number): void {
    this.#add(name, value - (this.#values.get(name) ?? 0));
  }

  #add(name: string, by: number): number {
    const before = this.#values.get(name) ?? 0;
    this.#undo.push({ name, before });
    this.#values.set(name, before + by);
    if (!name.startsWith(WAITING) && !name.startsWith('active:')) this.#dirty.add(name);
    return before + by;
  }
}
