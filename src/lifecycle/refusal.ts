/**
 * Results that were refused. Whoever may say how an attempt or a stage ended is told by its fence and its epoch; what
 * anybody else says has no effect, and is recorded with one of four words, once for each attempt and word.
 */
import type { JobState } from './transitions.ts';
import type { Stage } from './stage.ts';

export const REFUSAL_WORDS = ['late', 'duplicate', 'conflict', 'unauthorised'] as const;
/**
 * `late`: of an older claim or epoch than the job's newest, whatever it says. `duplicate`: of the newest, and what it says is
 * recorded already. `conflict`: of the newest, and something else is recorded. `unauthorised`: of a claim that was never
 * given or not to this attempt, of another job's attempt, or a verdict nobody asked for.
 */
export type RefusalWord = (typeof REFUSAL_WORDS)[number];

export const REFUSED_RESULTS = ['completion', 'commit', 'verdict', 'merge', 'hand-off'] as const;
/** What was refused: the end of an attempt or step, or what it would have brought with it. */
export type RefusedResult = (typeof REFUSED_RESULTS)[number];

/** A result that had no effect; it is never changed. */
export interface RefusalRecord {
  id: string;
  jobId: string;
  word: RefusalWord;
  result: RefusedResult;
  /** Of the attempt, where there is one, else the job's when it was refused. */
  epoch: number;
  /** Claim it was said under; null for a verdict file. */
  fence: number | null;
  /** Number of the attempt; null for a step of the server itself, and for an attempt of another job. */
  attempt: number | null;
  gate: string | null;
  /** One sentence. */
  why: string;
  recordedAt: number;
}

export interface RefusalFacts {
  job: { fence: number; epoch: number };
  /** Claim the result is said under. */
  fence: number;
  /** The attempt it is about; null for a step of the server itself. `isOwn`: it is one of this job. */
  attempt: { isOwn: boolean; fence: number; epoch: number } | null;
  /** Whether an end of that attempt or step is recorded, and is the same; null: none is. */
  recorded: 'same' | 'other' | null;
}

/** Returns the word for a result that was refused, or null when it was for another reason than who said it and when. */
export function nameRefusal({ job, fence, attempt, recorded }: RefusalFacts): RefusalWord | null {
  const wasGiven = Number.isSafeInteger(fence) && fence >= 1 && fence <= job.fence;
  if (!wasGiven || attempt?.isOwn === false || (attempt !== null && attempt.fence !== fence)) return 'unauthorised';
  if (fence < job.fence || (attempt !== null && attempt.epoch < job.epoch)) return 'late';
  if (recorded === null) return null;
  return recorded === 'same' ? 'duplicate' : 'conflict';
}

/** Returns what would have come of a result in this stage; `state` is where its job was to go. */
export function nameResult(stage: Stage | null, state: JobState): RefusedResult {
  if (state === 'ready') return 'hand-off';
  if (stage === 'merge') return 'merge';
  if (stage === 'verify' || stage === 'review') return 'verdict';
  // Work that goes on to its gates was committed.
  return state === 'queued' && stage !== null ? 'commit' : 'completion';
}
