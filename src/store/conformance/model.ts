/** The store as a few lists in memory: what the model test compares every implementation with. */
import type { ErrorCode } from '../../kernel/errors.ts';
import { judgeDependency } from '../../lifecycle/dependency.ts';
import {
  ATTEMPT_TRANSITIONS,
  JOB_TRANSITIONS,
  canMoveAttempt,
  canMoveJob,
  isActive,
  isTerminal,
  type AttemptState,
  type AttemptTransition,
  type JobState,
  type JobTransition,
} from '../../lifecycle/transitions.ts';

export interface ModelAttempt {
  id: string;
  state: AttemptState;
  fence: number;
  epoch: number;
}

export interface ModelJob {
  id: string;
  number: number;
  state: JobState;
  priority: number;
  epoch: number;
  fence: number;
  queueSeq: number | null;
  /** Ids of the jobs it still waits for; null for none. */
  awaits: string[] | null;
  cancelRequested: boolean;
  frozen: boolean;
  attempts: ModelAttempt[];
}

export type Verdict = 'ok' | ErrorCode;

/** Jobs of one repository `app`; every method says what the store must answer, and does it. */
export class StoreModel {
  jobs: ModelJob[] = [];
  keys = new Map<string, string>();
  lastQueueSeq = 0;
  concurrency = 3;

  clone(): StoreModel {
    const copy = new StoreModel();
    copy.jobs = structuredClone(this.jobs);
    copy.keys = new Map(this.keys);
    copy.lastQueueSeq = this.lastQueueSeq;
    return copy;
  }

  accept(id: string, input: { priority: number; start: boolean; key: string | null; after?: string[] }): void {
    const open = [...new Set(input.after)].filter((one) => this.verdictOf(one) !== 'met');
    const awaits = open.length === 0 ? null : open;
    const isFailed = open.some((one) => this.verdictOf(one) === 'failed');
    const started = awaits === null ? 'queued' : isFailed ? 'blocked' : 'waiting';
    const state = input.start ? started : 'created';
    const queueSeq = state === 'queued' ? ++this.lastQueueSeq : null;
    const number = this.jobs.length + 1;
    const { priority, key } = input;
    this.jobs.push({
      id,
      number,
      state,
      priority,
      epoch: 1,
      fence: 0,
      queueSeq,
      awaits,
      cancelRequested: false,
      frozen: false,
      attempts: [],
    });
    if (key !== null) this.keys.set(key, id);
  }

  /** What a job means to who comes after it. */
  verdictOf(id: string): ReturnType<typeof judgeDependency> {
    const state = this.jobs.find((job) => job.id === id)?.state ?? null;
    return judgeDependency({ state, reason: null });
  }

  /** The end of a job carries on who waits for it, in the order of acceptance. */
  carryOn(ended: ModelJob): void {
    const verdict = this.verdictOf(ended.id);
    if (verdict === 'pending') return;
    for (const job of this.jobs) {
      if (job.awaits?.includes(ended.id) !== true || (job.state !== 'created' && job.state !== 'waiting')) continue;
      if (verdict === 'failed') {
        if (job.state === 'waiting') job.state = 'blocked';
        continue;
      }
      const left = job.awaits.filter((one) => one !== ended.id);
      job.awaits = left.length === 0 ? null : left;
      if (job.awaits === null && job.state === 'waiting') this.enqueue(job);
    }
  }

  enqueue(job: ModelJob): void {
    job.state = 'queued';
    job.awaits = null;
    job.queueSeq = ++this.lastQueueSeq;
  }

  /** Starts or reopens a job: into the queue, or to wait for those it comes after. */
  startOrReopen(job: ModelJob, transition: 'start' | 'retry'): void {
    const open = (job.awaits ?? []).filter((one) => this.verdictOf(one) !== 'met');
    const alive = open.filter((one) => this.verdictOf(one) === 'pending');
    const awaited = transition === 'retry' ? alive : job.state === 'created' ? open : [];
    if (awaited.length === 0) {
      this.enqueue(job);
      return;
    }
    job.awaits = awaited;
    job.queueSeq = null;
    job.state = awaited.length === alive.length ? 'waiting' : 'blocked';
  }

  /** Queued jobs in order. */
  queue(): ModelJob[] {
    return this.jobs
      .filter((job) => job.state === 'queued')
      .toSorted((a, b) => b.priority - a.priority || (a.queueSeq ?? 0) - (b.queueSeq ?? 0));
  }

  claim(max: number, hostLimit: number): ModelJob[] {
    const active = this.jobs.filter((job) => isActive(job.state)).length;
    const room = Math.max(0, Math.min(max, hostLimit - active, this.concurrency - active));
    const claimed = this.queue()
      .filter((job) => !job.frozen)
      .slice(0, room);
    for (const job of claimed) {
      job.state = 'preparing';
      job.fence++;
    }
    return claimed;
  }

  /** What keeps a transition from a job; `fence` null is an operator. */
  judgeMove(job: ModelJob, transition: JobTransition, fence: number | null): Verdict {
    if (fence !== null && fence !== job.fence) return 'fenced';
    if (fence === null && isActive(job.state)) return 'state-conflict';
    return canMoveJob(job.state, transition) ? 'ok' : 'state-conflict';
  }

  move(job: ModelJob, transition: JobTransition, fence: number | null): Verdict {
    const verdict = this.judgeMove(job, transition, fence);
    if (verdict !== 'ok') return verdict;
    const isPutBack = transition === 'requeue' || transition === 'interrupt';
    if (transition === 'start' || transition === 'retry') this.startOrReopen(job, transition);
    else job.state = isPutBack && job.cancelRequested ? 'cancelled' : JOB_TRANSITIONS[transition].to;
    if (transition === 'retry') {
      job.epoch++;
      job.cancelRequested = false;
    }
    this.carryOn(job);
    return 'ok';
  }

  cancel(job: ModelJob): Verdict {
    if (!isActive(job.state)) return this.move(job, 'cancel', null);
    job.cancelRequested = true;
    return 'ok';
  }

  freeze(job: ModelJob, frozen: boolean): Verdict {
    if (frozen && !job.frozen && isTerminal(job.state)) return 'state-conflict';
    job.frozen = frozen;
    return 'ok';
  }

  judgeIntend(job: ModelJob, fence: number): Verdict {
    return this.judgeMove(job, 'launch', fence);
  }

  intend(job: ModelJob, fence: number, id: string): void {
    job.state = 'running';
    job.attempts.push({ id, state: 'intended', fence, epoch: job.epoch });
  }

  moveAttempt(job: ModelJob, attempt: ModelAttempt, by: { transition: AttemptTransition; fence: number }): Verdict {
    const verdict = this.judgeAttempt(job, attempt, by);
    if (verdict === 'ok') attempt.state = ATTEMPT_TRANSITIONS[by.transition].to;
    return verdict;
  }

  judgeAttempt(job: ModelJob, attempt: ModelAttempt, by: { transition: AttemptTransition; fence: number }): Verdict {
    const { transition, fence } = by;
    if (fence !== job.fence || fence !== attempt.fence) return 'fenced';
    return canMoveAttempt(attempt.state, transition) ? 'ok' : 'state-conflict';
  }

  settle(
    job: ModelJob,
    attempt: ModelAttempt,
    by: { attempt: AttemptTransition; job: JobTransition; fence: number },
  ): Verdict {
    const first = this.judgeAttempt(job, attempt, { transition: by.attempt, fence: by.fence });
    if (first !== 'ok') return first;
    const second = this.move(job, by.job, by.fence);
    if (second === 'ok') attempt.state = ATTEMPT_TRANSITIONS[by.attempt].to;
    return second;
  }
}
