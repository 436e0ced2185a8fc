/**
 * The way of one job through its stages, told from its events alone. A stage may be visited more than once (an attempt
 * that was interrupted is followed by another), and its time is the sum of its visits. Nothing here is ever thrown: an
 * event that is damaged says nothing.
 */
import type { Outcome } from '../lifecycle/job.ts';
import type { JournalEvent } from '../store/store.ts';
import { MAX_SPAN_MS } from './histogram.ts';

/** Where the time of a job goes: until its claim, until its agent starts, and while the agent works. */
const VISITED = ['waiting', 'preparing', 'running'] as const;
type Visited = (typeof VISITED)[number];

/** The stages durations are counted for; `whole` is all of them together. */
export const STAGES = [...VISITED, 'whole'] as const;
export type StageName = (typeof STAGES)[number];

export const OUTCOMES = ['success', 'failure', 'cancelled', 'timed_out'] as const satisfies readonly Outcome[];

/** A start of the server; `readySeq` is null until it was ready. */
export interface BootSpan {
  startSeq: number;
  readySeq: number | null;
}

/** A job on its way. */
export interface Course {
  repository: string;
  agent: string;
  at: { stage: Visited; sinceAt: number; sinceSeq: number } | null;
  spent: Record<Visited, number>;
  /** Why the time of a stage is not to be trusted. */
  spoilt: Partial<Record<Visited, Spoilt>>;
}

/** `downtime`: no server was there to see when it ended. `clock`: somebody set the clock. */
type Spoilt = 'downtime' | 'clock';

/** A job that has ended: what is to be counted of it. */
export interface Ended {
  repository: string;
  agent: string;
  outcome: Outcome;
  spans: Partial<Record<StageName, number>>;
  /** Why spans were left out that would have been counted otherwise. */
  leftOut: Spoilt[];
}

const STAGE_OF_STATE: Readonly<Record<string, Visited>> = {
  queued: 'waiting',
  preparing: 'preparing',
  running: 'running',
};

function freshCourse(repository: string, agent: string): Course {
  return { repository, agent, at: null, spent: { waiting: 0, preparing: 0, running: 0 }, spoilt: {} };
}

const REOPENS = new Set(['job.retry', 'job.release', 'job.fixup', 'job.wait']);

/** Whether an event moves a job, so that its course must be known before. */
export function isMove(event: JournalEvent): boolean {
  return event.kind.startsWith('job.') && typeof event.data['state'] === 'string';
}

/** Returns the course of a job that was accepted just now; null when the event does not say what it needs. */
export function beginCourse(event: JournalEvent): Course | null {
  const { repository, agent, state } = event.data;
  if (typeof repository !== 'string' || typeof agent !== 'string') return null;
  const course = freshCourse(repository, agent);
  if (state === 'queued') course.at = { stage: 'waiting', sinceAt: event.at, sinceSeq: event.seq };
  return course;
}

/** Carries a course on by one event of its job; returns what is to be counted when the job ended by it, else null. */
export function advanceCourse(course: Course, event: JournalEvent, boots: readonly BootSpan[]): Ended | null {
  const { state, outcome } = event.data;
  if (typeof state !== 'string') return null;
  const left = leaveStage(course, event, boots);
  const ended = OUTCOMES.find((one) => one === outcome);
  if (ended !== undefined) return concludeCourse(course, left, ended);
  // What an operator reopens is a new round of the same job: its time begins anew.
  if (REOPENS.has(event.kind)) {
    Object.assign(course, freshCourse(course.repository, course.agent));
  }
  const stage = STAGE_OF_STATE[state];
  if (stage !== undefined) course.at = { stage, sinceAt: event.at, sinceSeq: event.seq };
  return null;
}

function leaveStage(course: Course, event: JournalEvent, boots: readonly BootSpan[]): Visited | null {
  const visit = course.at;
  if (visit === null) return null;
  course.at = null;
  const span = event.at - visit.sinceAt;
  if (!(span >= 0 && span <= MAX_SPAN_MS)) course.spoilt[visit.stage] = 'clock';
  else course.spent[visit.stage] += span;
  if (sawDowntime(visit, event.seq, boots)) course.spoilt[visit.stage] ??= 'downtime';
  return visit.stage;
}

/**
 * Whether a server's absence is part of a visit. An agent works on without its server, so the time of a run counts, unless
 * its end was found by a start: then nobody saw when it was.
 */
function sawDowntime({ stage, sinceSeq }: NonNullable<Course['at']>, seq: number, boots: readonly BootSpan[]): boolean {
  const boot = boots.findLast(({ startSeq }) => startSeq < seq);
  if (boot === undefined || boot.startSeq < sinceSeq) return false;
  return stage !== 'running' || boot.readySeq === null || boot.readySeq > seq;
}

/**
 * A stage counts when the job left it by itself for the next: not the one in which somebody cancelled it or its time ran
 * out in the queue. The run counts whatever came of it, unless it was cancelled.
 */
function concludeCourse(course: Course, left: Visited | null, outcome: Outcome): Ended {
  // The last step of a pipeline is the server's own: it ends well without an agent at work.
  const isDone = outcome === 'success';
  const reached = isDone ? VISITED.length : left === null ? -1 : VISITED.indexOf(left);
  const isFull = isDone || (left === 'running' && outcome !== 'cancelled');
  const wanted = VISITED.filter((stage, index) => index < reached || (stage === 'running' && isFull));
  const spans: Ended['spans'] = {};
  for (const stage of wanted) if (course.spoilt[stage] === undefined) spans[stage] = course.spent[stage];
  const spoilt = new Set(wanted.flatMap((stage) => course.spoilt[stage] ?? []));
  const whole = VISITED.reduce((sum, stage) => sum + course.spent[stage], 0);
  if (isFull && spoilt.size === 0 && whole <= MAX_SPAN_MS) spans.whole = whole;
  for (const stage of wanted) if ((spans[stage] ?? 0) > MAX_SPAN_MS) delete spans[stage];
  return { repository: course.repository, agent: course.agent, outcome, spans, leftOut: [...spoilt] };
}
