/** Whether the next attempt of a job goes on in the session of an earlier one: a pure decision over what is recorded. */
import type { Attempt } from '../lifecycle/attempt.ts';
import { isWork, type Stage, type StageTask } from '../lifecycle/stage.ts';

export interface SessionFacts {
  stage: Stage;
  /** What the agent is asked to do; null in a job without a pipeline. */
  task: StageTask | null;
  epoch: number;
  /** Session of the job; null while there is none, and once it was rejected. */
  sessionId: string | null;
  /** Model the agent is set to now. */
  model: string | null;
  /** Whether the agent can take a session up. */
  canResume: boolean;
  /** Attempts of the job so far, oldest first. */
  attempts: readonly Pick<Attempt, 'stage' | 'epoch' | 'state' | 'sessionId' | 'model'>[];
}

/**
 * Returns the session to resume, or null for a cold start. A session belongs to one job, agent and model. It is taken up
 * when the attempt that ran last in it was interrupted in this stage, and for what the agent is asked for after its work:
 * to commit, to fix, to resolve. A reviewer begins anew each time, and so does work an operator asked for once more.
 */
export function findSession(facts: SessionFacts): string | null {
  const { stage, task, epoch, sessionId, model, attempts } = facts;
  if (sessionId === null || !facts.canResume || !isWork(stage)) return null;
  const last = attempts.findLast((attempt) => isWork(attempt.stage) && attempt.state !== 'never_ran');
  // An id of ours that no agent ever got names no session; one that the agent chose is known from its output alone.
  if (last === undefined || (last.sessionId ?? sessionId) !== sessionId || last.model !== model) return null;
  const isCutOff = last.state === 'interrupted' && last.epoch === epoch && last.stage === stage;
  const goesOn = task !== null && task !== 'work' && (last.state === 'finished' || last.state === 'interrupted');
  return isCutOff || goesOn ? sessionId : null;
}
