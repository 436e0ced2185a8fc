/**
 * Where the server is killed: in every stage at five moments. An attempt is numbered as it is on the way of the case, so
 * that a point is passed for the n-th time in the stage that is meant.
 */
import { TO_HAND_OFF, TO_MERGE, type Case } from './cases.ts';

export const MOMENTS = ['intent', 'claimed', 'started', 'result written', 'recorded'] as const;
export type Moment = (typeof MOMENTS)[number];

export interface Cell {
  stage: string;
  moment: Moment;
  played: Case;
  /** For HOLDFAST_FAILPOINTS of the server. */
  failpoints: string;
}

/** Moments of a stage that is an attempt of its own. */
const OF_ATTEMPTS: Record<Moment, string> = {
  intent: 'attempt.after-claim',
  claimed: 'attempt.after-intent',
  started: 'attempt.after-attach',
  'result written': 'attempt.before-settle',
  recorded: 'attempt.after-settle',
};

/** Which attempt of the way a stage is. */
const ATTEMPT_OF: Record<string, number> = { implement: 1, verify: 2, fix: 3, review: 5 };

/** Stages the server carries out itself; they come after five attempts, and a merge is claimed twice: to prepare, to carry out. */
const OF_HAND_OFF: Record<Moment, string> = {
  intent: 'attempt.after-claim:crash@6',
  claimed: 'stage.before-branch:crash',
  started: 'stage.before-evidence:crash@4',
  'result written': 'stage.before-hand-off:crash',
  recorded: 'stage.after-hand-off:crash',
};
const OF_MERGE: Record<Moment, string> = {
  intent: 'attempt.after-claim:crash@7',
  claimed: 'merge.before-advance:crash',
  started: 'merge.after-advance:crash',
  'result written': 'merge.before-record:crash@2',
  recorded: 'merge.after-record:crash@2',
};

/** Returns every stage at every moment. */
export function listCells(): Cell[] {
  const ofAttempts = Object.entries(ATTEMPT_OF).flatMap(([stage, number]) =>
    MOMENTS.map((moment) => ({
      stage,
      moment,
      played: TO_HAND_OFF,
      failpoints: `${OF_ATTEMPTS[moment]}:crash@${number}`,
    })),
  );
  const ofServer = (stage: string, played: Case, points: Record<Moment, string>): Cell[] =>
    MOMENTS.map((moment) => ({ stage, moment, played, failpoints: points[moment] }));
  return [...ofAttempts, ...ofServer('merge', TO_MERGE, OF_MERGE), ...ofServer('handoff', TO_HAND_OFF, OF_HAND_OFF)];
}
