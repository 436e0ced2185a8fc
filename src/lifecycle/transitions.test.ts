import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  canMoveAttempt,
  canMoveJob,
  isActive,
  isTerminal,
  JOB_STATES,
  JOB_TRANSITIONS,
  TERMINAL_STATES,
  type AttemptState,
  type AttemptTransition,
  type JobState,
  type JobTransition,
} from './transitions.ts';

interface Row {
  from: readonly string[];
  to: string;
  cause: string;
}

const JOB_ROWS: [JobTransition, Row][] = Object.entries(JOB_TRANSITIONS) as [JobTransition, Row][];
const ATTEMPT_ROWS: [AttemptTransition, Row][] = Object.entries(ATTEMPT_TRANSITIONS) as [AttemptTransition, Row][];

/** States that can be reached from `start` by the rows. */
function reachable(start: string, rows: readonly [string, Row][]): Set<string> {
  const seen = new Set([start]);
  for (const state of seen) {
    for (const [, { from, to }] of rows) if (from.includes(state)) seen.add(to);
  }
  return seen;
}

const TABLES: Record<string, { states: readonly string[]; rows: readonly [string, Row][]; first: string }> = {
  job: { states: JOB_STATES, rows: JOB_ROWS, first: 'created' },
  attempt: { states: ATTEMPT_STATES, rows: ATTEMPT_ROWS, first: 'intended' },
};

for (const [name, { states, rows, first }] of Object.entries(TABLES)) {
  describe(`the ${name} table`, () => {
    it('knows only states that exist, each once per row, and says why', () => {
      for (const [transition, { from, to, cause }] of rows) {
        for (const state of [...from, to]) assert.ok(states.includes(state), `${transition}: ${state}`);
        assert.ok(from.length > 0 && new Set(from).size === from.length, transition);
        assert.match(cause, /^[a-z].{10,}[^.]$/, transition);
      }
    });

    it(`reaches every state from ${first}, and never comes back to it`, () => {
      assert.deepEqual([...reachable(first, rows)].toSorted(), [...states].toSorted());
      for (const [transition, { to }] of rows) assert.notEqual(to, first, transition);
    });
  });
}

describe('the job table', () => {
  it('leaves a terminal state by what an operator does alone, and a completed job never', () => {
    for (const state of TERMINAL_STATES) {
      const ways = JOB_ROWS.filter(([, { from }]) => from.includes(state)).map(([transition]) => transition);
      const reopening = { completed: [], cancelled: ['wait', 'retry'] }[state as string];
      assert.deepEqual(ways, reopening ?? ['retry', 'fixup'], state);
    }
  });

  it('leaves blocked and quarantined by what an operator does alone', () => {
    for (const state of ['blocked', 'quarantined'] as const) {
      for (const [transition, { from }] of JOB_ROWS) {
        if (from.includes(state))
          assert.ok(['wait', 'cancel', 'release', 'retry', 'fixup'].includes(transition), `${state}: ${transition}`);
      }
    }
  });

  it('runs nothing that was not claimed, and claims nothing that was not queued', () => {
    const into = (to: string): string[][] =>
      JOB_ROWS.filter(([, row]) => row.to === to).map(([, row]) => [...row.from]);
    assert.deepEqual(into('running'), [['preparing']]);
    assert.deepEqual(into('preparing'), [['queued']]);
    assert.deepEqual(into('completed'), [['preparing', 'running']]);
    assert.deepEqual(into('ready'), [['preparing', 'running']]);
  });

  it('gives a job that waits for others a place by their end, or by the word of an operator', () => {
    const ways = JOB_ROWS.filter(([, { from, to }]) => from.includes('waiting') && !isTerminal(to as JobState));
    assert.deepEqual(
      ways.map(([transition, { to }]) => [transition, to]),
      [
        ['start', 'queued'],
        ['enqueue', 'queued'],
        ['block', 'blocked'],
        ['quarantine', 'quarantined'],
      ],
    );
  });

  it('lets every unfinished job be cancelled', () => {
    for (const state of JOB_STATES) assert.equal(canMoveJob(state, 'cancel'), !isTerminal(state), state);
  });

  it('can always come to an end', () => {
    for (const state of JOB_STATES) {
      const ends = [...reachable(state, JOB_ROWS)].some((next) => isTerminal(next as JobState));
      assert.ok(ends, `${state} never ends`);
    }
  });
});

describe('the attempt table', () => {
  it('leaves intended and running only: whatever ended stays as it ended', () => {
    for (const [transition, { from }] of ATTEMPT_ROWS) {
      assert.deepEqual([...from], ['intended', 'running'], transition);
    }
  });
});

describe('walks over the tables', () => {
  it('move a job only as the table says, and stop only where no row leads on', () => {
    const walk = fc.array(fc.constantFrom(...JOB_ROWS.map(([transition]) => transition)), { maxLength: 60 });
    fc.assert(
      fc.property(walk, (transitions) => {
        let state: JobState = 'created';
        let epochs = 1;
        let ended = 0;
        for (const transition of transitions) {
          const { from, to } = JOB_TRANSITIONS[transition];
          const allowed = (from as readonly string[]).includes(state);
          assert.equal(canMoveJob(state, transition), allowed);
          if (!allowed) continue;
          if (transition === 'retry' || transition === 'fixup' || transition === 'wait') epochs += 1;
          state = to;
          if (isTerminal(state)) ended += 1;
        }
        assert.ok(ended <= epochs, 'it ended twice without being reopened between');
      }),
      { numRuns: 2000 },
    );
  });

  it('end an attempt once', () => {
    const walk = fc.array(fc.constantFrom(...ATTEMPT_ROWS.map(([transition]) => transition)), { maxLength: 20 });
    fc.assert(
      fc.property(walk, (transitions) => {
        let state: AttemptState = 'intended';
        let ends = 0;
        for (const transition of transitions) {
          if (!canMoveAttempt(state, transition)) continue;
          state = ATTEMPT_TRANSITIONS[transition].to;
          if (state !== 'running') ends += 1;
        }
        assert.ok(ends <= 1);
      }),
    );
  });
});

describe('the questions about a state', () => {
  it('agree with each other', () => {
    assert.deepEqual(
      JOB_STATES.filter((state) => isTerminal(state)),
      ['ready', 'completed', 'failed', 'cancelled', 'timed_out'],
    );
    assert.deepEqual(
      JOB_STATES.filter((state) => isActive(state)),
      ['preparing', 'running'],
    );
  });
});
