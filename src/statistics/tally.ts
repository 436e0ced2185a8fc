/**
 * What was counted up to one sequence of the journal. A tally is a fold: the same events in the same order give the same
 * numbers, whether they came one by one, in pages after a crash, or all at once. That is why an event counts once: its
 * sequence is kept beside the numbers, and what is not after it is not taken.
 */
import type { Outcome } from '../lifecycle/job.ts';
import type { JournalEvent } from '../store/store.ts';
import {
  advanceCourse,
  beginCourse,
  isMove,
  OUTCOMES,
  STAGES,
  type BootSpan,
  type Course,
  type Ended,
  type StageName,
} from './course.ts';
import { addSpan, mergeHistogram, type Histogram } from './histogram.ts';

/** Pairs of repository and agent that are kept apart; the one that had nothing to count for longest joins the others. */
export const MAX_GROUPS = 256;
/** Starts that are remembered: enough for a job that lives through as many. */
export const MAX_BOOTS = 256;
/** Jobs on their way that are kept in memory; of others the journal is asked. */
const MAX_COURSES = 50_000;

/** What was counted of one repository and agent. */
export interface Group {
  /** Null for what was counted of groups that are not kept apart any more. */
  repository: string | null;
  agent: string | null;
  ended: Record<Outcome, number>;
  stages: Record<StageName, Histogram>;
  /** Ended jobs of which a duration was left out: a server was down meanwhile, or the clock was set. */
  leftOut: { downtime: number; clock: number };
}

/** Returns a group that has counted nothing. */
export function emptyGroup(repository: string | null, agent: string | null): Group {
  return {
    repository,
    agent,
    ended: { success: 0, failure: 0, cancelled: 0, timed_out: 0 },
    stages: { waiting: new Map(), preparing: new Map(), running: new Map(), whole: new Map() },
    leftOut: { downtime: 0, clock: 0 },
  };
}

/** What is kept of a tally; courses are not, the journal has them. */
export interface TallyState {
  throughSeq: number;
  /** Hash of the event at `throughSeq`; empty for none. */
  throughHash: string;
  boots: BootSpan[];
  /** The one counted last is the last. */
  groups: Group[];
  other: Group;
}

/** Returns a tally that has seen nothing. */
function emptyState(): TallyState {
  return { throughSeq: 0, throughHash: '', boots: [], groups: [], other: emptyGroup(null, null) };
}

function keyOf(repository: string | null, agent: string | null): string {
  return JSON.stringify([repository, agent]);
}

export class Tally {
  #throughSeq: number;
  #throughHash: string;
  readonly #boots: BootSpan[];
  readonly #groups = new Map<string, Group>();
  readonly #other: Group;
  readonly #courses = new Map<string, Course>();

  constructor(state: TallyState = emptyState()) {
    this.#throughSeq = state.throughSeq;
    this.#throughHash = state.throughHash;
    this.#boots = [...state.boots];
    for (const group of state.groups) this.#groups.set(keyOf(group.repository, group.agent), group);
    this.#other = state.other;
  }

  /** Sequence up to which everything is counted. */
  get throughSeq(): number {
    return this.#throughSeq;
  }

  /** What is to be written down; the parts are the tally's own. */
  get state(): TallyState {
    return {
      throughSeq: this.#throughSeq,
      throughHash: this.#throughHash,
      boots: this.#boots,
      groups: [...this.#groups.values()],
      other: this.#other,
    };
  }

  /** The group of a repository and agent, or null when nothing was counted of it. */
  getGroup(repository: string, agent: string): Group | null {
    return this.#groups.get(keyOf(repository, agent)) ?? null;
  }

  /** Whether an event moves a job whose way so far is not known here: then `learn` it before `take`. */
  needsCourse(event: JournalEvent): boolean {
    return event.jobId !== null && isMove(event) && event.kind !== 'job.accept' && !this.#courses.has(event.jobId);
  }

  /** Learns the way of one job from the events of its chain before the one that is taken next; counts nothing. */
  learn(jobId: string, chain: readonly JournalEvent[]): void {
    // The end of an earlier round is no end: what follows may be a retry.
    for (const event of chain) if (event.jobId === jobId && isMove(event)) this.#advance(jobId, event);
  }

  /** Counts an event. One that is not after `throughSeq` was counted before and changes nothing. */
  take(event: JournalEvent): void {
    if (event.seq <= this.#throughSeq) return;
    if (event.kind.startsWith('boot.')) this.#takeBoot(event);
    if (event.jobId !== null && isMove(event)) {
      const ended = this.#advance(event.jobId, event);
      if (ended !== null) {
        this.#courses.delete(event.jobId);
        this.#count(ended);
      }
    }
    this.#throughSeq = event.seq;
    this.#throughHash = event.hash;
  }

  #advance(jobId: string, event: JournalEvent): Ended | null {
    if (event.kind === 'job.accept') {
      const begun = beginCourse(event);
      if (begun !== null) this.#remember(jobId, begun);
      return null;
    }
    const course = this.#courses.get(jobId);
    if (course === undefined) return null;
    return advanceCourse(course, event, this.#boots);
  }

  #remember(jobId: string, course: Course): void {
    this.#courses.set(jobId, course);
    if (this.#courses.size <= MAX_COURSES) return;
    for (const oldest of this.#courses.keys()) {
      this.#courses.delete(oldest);
      return;
    }
  }

  #takeBoot(event: JournalEvent): void {
    if (event.kind === 'boot.start') {
      this.#boots.push({ startSeq: event.seq, readySeq: null });
      if (this.#boots.length > MAX_BOOTS) this.#boots.shift();
    }
    const newest = this.#boots.at(-1);
    if (event.kind === 'boot.update' && typeof event.data['readyAt'] === 'number' && newest !== undefined) {
      newest.readySeq ??= event.seq;
    }
  }

  #count({ repository, agent, outcome, spans, leftOut }: Ended): void {
    const key = keyOf(repository, agent);
    const group = this.#groups.get(key) ?? emptyGroup(repository, agent);
    // Set anew, so that the first of the map is always the one that counted nothing for longest.
    this.#groups.delete(key);
    this.#groups.set(key, group);
    group.ended[outcome] += 1;
    for (const why of leftOut) group.leftOut[why] += 1;
    for (const stage of STAGES) {
      const span = spans[stage];
      if (span !== undefined) addSpan(group.stages[stage], span);
    }
    if (this.#groups.size > MAX_GROUPS) this.#joinOldest();
  }

  #joinOldest(): void {
    for (const [key, oldest] of this.#groups) {
      this.#groups.delete(key);
      for (const outcome of OUTCOMES) this.#other.ended[outcome] += oldest.ended[outcome];
      for (const stage of STAGES) mergeHistogram(this.#other.stages[stage], oldest.stages[stage]);
      this.#other.leftOut.downtime += oldest.leftOut.downtime;
      this.#other.leftOut.clock += oldest.leftOut.clock;
      return;
    }
  }
}
