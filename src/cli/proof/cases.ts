/** What is played: jobs of scripted agents, each of which must come to one end and no other. */
import type { NewJobBody } from '../../api/contract.ts';
import type { Result } from './stage.ts';

/** A job, and the settings of the repository it works on. `witness` is a file agents and gates write to, and nobody else. */
export interface Case {
  name: string;
  /** One sentence for people. */
  says: string;
  describe(witness: string): { repository: object; job: Omit<NewJobBody, 'repository'> };
  /** What it must come to; `ledger` and `finished` are left to the unbroken play where the case does not name them. */
  expected: Partial<Result>;
}

type Step = Record<string, unknown>;

const COMMIT: Step = { commit: 'Answer' };

function answer(content: 'good' | 'bad'): Step {
  return { write: { path: 'answer', content } };
}

/** A line with the id of the attempt: who starts twice is counted twice. */
function testify(witness: string): string {
  return `echo "$HOLDFAST_ATTEMPT" >> '${witness}'`;
}

function testifyStep(witness: string): Step {
  return { tool: { argv: ['sh', '-c', testify(witness)] } };
}

/** Passes once the answer is good. */
function gate(witness: string): string[] {
  return ['sh', '-c', `${testify(witness)}; grep -q good answer`];
}

/** A reviewer whose verdicts follow each other, the last one again and again. */
function reviewer(witness: string, verdicts: readonly Step[]): object {
  const review = verdicts.map((verdict) => [testifyStep(witness), { verdict }]);
  return { name: 'reviewer', agent: 'scripted', instructions: JSON.stringify({ steps: [], tasks: { review } }) };
}

interface Play {
  /** What the first work writes, and what each round of fixing does. */
  steps: (witness: string) => Step[];
  fix?: Step[][];
  verdicts?: Step[];
  merge?: boolean;
  job?: Partial<NewJobBody>;
}

function play({ steps, fix, verdicts, merge, job }: Play): Case['describe'] {
  return (witness) => {
    const own = testifyStep(witness);
    const tasks = fix === undefined ? {} : { tasks: { fix: fix.map((round) => [own, ...round]) } };
    const scenario = JSON.stringify({ steps: [own, ...steps(witness)], ...tasks });
    return {
      repository: {
        verify: [gate(witness)],
        ...(merge === true ? { merge } : {}),
        ...(verdicts === undefined ? {} : { pipeline: { reviewers: [reviewer(witness, verdicts)] } }),
      },
      job: { prompt: scenario, agent: 'scripted', pipeline: 'full', ...job },
    };
  };
}

const HANDED_OFF = { state: 'ready', outcome: 'success', reason: null, moves: 0 } as const;
const GOOD_WORK = (): Step[] => [answer('good'), COMMIT];
const BAD_WORK = (): Step[] => [answer('bad'), COMMIT];
const PASSES: Step[] = [{ score: 90 }];

/** A structured work item from its file to the hand-off: the shortest way through everything. */
export const SMOKE: Case = {
  name: 'smoke',
  says: 'a packet is accepted, worked on, checked, and handed off',
  describe: (witness) => {
    const { repository, job } = play({ steps: GOOD_WORK })(witness);
    const { prompt, ...rest } = job;
    const packet = {
      title: 'Answer well',
      goal: 'The file answer holds a good answer.',
      context: `\`\`\`scenario\n${prompt}\n\`\`\``,
      acceptance: ['the file answer says good'],
      scope: ['answer'],
      risk: 'low',
    };
    return { repository, job: { ...rest, packet } };
  },
  expected: HANDED_OFF,
};

export const SCENARIOS: readonly Case[] = [
  {
    name: 'happy',
    says: 'good work passes every gate and is handed off',
    describe: play({ steps: GOOD_WORK, verdicts: PASSES }),
    expected: { ...HANDED_OFF, finished: ['implement', 'verify', 'review'] },
  },
  {
    name: 'verify-fails',
    says: 'work that fails its gate is fixed and handed off',
    describe: play({ steps: BAD_WORK, fix: [[answer('good'), COMMIT]] }),
    expected: { ...HANDED_OFF, finished: ['implement', 'verify', 'fix', 'verify'] },
  },
  {
    name: 'review-fails',
    says: 'work that fails its review is fixed and handed off',
    describe: play({
      steps: GOOD_WORK,
      fix: [[{ append: { path: 'answer', content: ' and better' } }, COMMIT]],
      verdicts: [{ verdict: 'FAIL', score: 20, summary: 'It could be better.' }, ...PASSES],
    }),
    expected: { ...HANDED_OFF, finished: ['implement', 'verify', 'review', 'fix', 'verify', 'review'] },
  },
  {
    name: 'agent-blocks',
    says: 'an agent that asks for a person stops its job there, and nothing goes on',
    describe: play({ steps: () => [{ block: 'which answer is meant?' }] }),
    expected: { state: 'blocked', reason: 'needs_human', outcome: null, moves: 0, ledger: [] },
  },
  {
    name: 'agent-fails',
    says: 'an agent that fails has failed, whatever it says',
    describe: play({ steps: () => [{ print: 'all gates passed' }, { fail: 'no way' }] }),
    expected: { state: 'failed', outcome: 'failure', moves: 0, ledger: [] },
  },
  {
    name: 'never-answers',
    says: 'an agent that never answers is stopped and has timed out',
    describe: play({ steps: () => [{ sleepMs: 3_600_000 }], job: { limits: { wallMs: 1500 } } }),
    expected: { state: 'timed_out', outcome: 'timed_out', moves: 0, ledger: [] },
  },
];

/** The way through every stage up to the hand-off, and up to the merge: what the kills are tried on. */
export const TO_HAND_OFF: Case = {
  name: 'to the hand-off',
  says: 'work is fixed once, reviewed, and handed off',
  describe: play({ steps: BAD_WORK, fix: [[answer('good'), COMMIT]], verdicts: PASSES }),
  expected: HANDED_OFF,
};

export const TO_MERGE: Case = {
  name: 'to the merge',
  says: 'work is fixed once, reviewed, and merged',
  describe: play({ steps: BAD_WORK, fix: [[answer('good'), COMMIT]], verdicts: PASSES, merge: true }),
  expected: { state: 'completed', outcome: 'success', moves: 1, merged: 'good' },
};
