import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ATTEMPT_TRANSITIONS, JOB_TRANSITIONS } from '../lifecycle/transitions.ts';
import type { ExitFacts } from '../lifecycle/verdict.ts';
import { CRASH_LOOPS, decideEnding, NEVER_RAN_LIMIT, type EndFacts, type FinalVerdict } from './decide.ts';

const [SOON, LATER] = CRASH_LOOPS;

const cleanExit: ExitFacts = {
  started: true,
  code: 0,
  signal: null,
  execErrno: null,
  stoppedBy: null,
  reason: null,
  bytesOut: 0,
  bytesErr: 0,
};

function facts(change: Partial<EndFacts>): EndFacts {
  const verdict: FinalVerdict = change.verdict ?? { kind: 'FINISHED', row: 4, exit: cleanExit };
  const exit = verdict.kind === 'FINISHED' ? verdict.exit : null;
  return {
    verdict,
    stoppedBy: exit?.stoppedBy ?? null,
    exitCode: exit?.code ?? null,
    warm: false,
    outcome: 'success',
    agentMessage: null,
    trouble: null,
    notStarted: null,
    unreadable: null,
    cancelRequested: false,
    onInterrupt: 'continue',
    interrupts: [0, 0],
    recentNeverRan: 0,
    ...change,
  };
}

function finished(change: Partial<ExitFacts>): FinalVerdict {
  return { kind: 'FINISHED', row: 4, exit: { ...cleanExit, ...change } };
}

const cases: { name: string; given: Partial<EndFacts>; job: string; attempt: string; reason: string | null }[] = [
  { name: 'success completes', given: {}, job: 'complete', attempt: 'finish', reason: null },
  {
    name: 'a failing exit code fails',
    given: { verdict: finished({ code: 7 }), outcome: 'agent-error' },
    job: 'fail',
    attempt: 'finish',
    reason: 'exit_code',
  },
  {
    name: 'an agent that says it failed fails, whatever its exit code',
    given: { outcome: 'agent-error', agentMessage: 'gave up' },
    job: 'fail',
    attempt: 'finish',
    reason: 'agent_error',
  },
  {
    name: 'a refusing model service fails',
    given: { outcome: 'api-error' },
    job: 'fail',
    attempt: 'finish',
    reason: 'api_error',
  },
  {
    name: 'a signal from a stranger is no failure',
    given: { verdict: finished({ code: null, signal: 'SIGTERM' }), outcome: 'interrupted' },
    job: 'interrupt',
    attempt: 'interrupt',
    reason: null,
  },
  {
    name: 'a host that shuts down is no failure',
    given: { verdict: finished({ code: 143, stoppedBy: 'host' }), outcome: 'interrupted' },
    job: 'interrupt',
    attempt: 'interrupt',
    reason: null,
  },
  {
    name: 'the wall limit times out',
    given: { verdict: finished({ signal: 'SIGKILL', code: null, stoppedBy: 'wall' }), outcome: 'interrupted' },
    job: 'time_out',
    attempt: 'finish',
    reason: 'wall_limit',
  },
  {
    name: 'the idle limit times out',
    given: { verdict: finished({ stoppedBy: 'idle' }), outcome: 'interrupted' },
    job: 'time_out',
    attempt: 'finish',
    reason: 'idle_limit',
  },
  {
    name: 'the output limit fails',
    given: { verdict: finished({ stoppedBy: 'output' }), outcome: 'interrupted' },
    job: 'fail',
    attempt: 'finish',
    reason: 'output_limit',
  },
  {
    name: 'a wish to cancel wins over a success',
    given: { cancelRequested: true },
    job: 'cancel',
    attempt: 'finish',
    reason: 'cancelled_by_client',
  },
  {
    name: 'a session that is gone starts cold without a strike',
    given: {
      verdict: finished({ code: 1 }),
      outcome: 'unresumable',
      warm: true,
      onInterrupt: 'ask',
      interrupts: [SOON.limit, SOON.limit],
    },
    job: 'interrupt',
    attempt: 'interrupt',
    reason: null,
  },
  {
    name: 'an agent that refuses a session nobody asked for is in a crash loop like any other',
    given: {
      verdict: finished({ code: 1 }),
      outcome: 'unresumable',
      interrupts: [SOON.limit - 1, SOON.limit - 1],
    },
    job: 'block',
    attempt: 'interrupt',
    reason: 'crash_loop',
  },
  {
    name: 'the final result in the output is enough without an exit record',
    given: { verdict: { kind: 'FINISHED_BY_OUTPUT', row: 16 }, outcome: 'success' },
    job: 'complete',
    attempt: 'finish',
    reason: null,
  },
  {
    name: 'an agent without a keeper that passed its wall limit times out',
    given: { verdict: { kind: 'INTERRUPTED', row: 17 }, outcome: null, stoppedBy: 'wall' },
    job: 'time_out',
    attempt: 'finish',
    reason: 'wall_limit',
  },
  {
    name: 'a result nobody can read any more needs a person',
    given: { outcome: null, unreadable: 'agent x is not configured any more' },
    job: 'block',
    attempt: 'finish',
    reason: 'fix_config',
  },
  {
    name: 'nothing alive and no result continues',
    given: { verdict: { kind: 'INTERRUPTED', row: 17 }, outcome: null },
    job: 'interrupt',
    attempt: 'interrupt',
    reason: null,
  },
  {
    name: 'a job that asks is left to a person',
    given: { verdict: { kind: 'INTERRUPTED', row: 17 }, outcome: null, onInterrupt: 'ask' },
    job: 'block',
    attempt: 'interrupt',
    reason: 'needs_human',
  },
  {
    name: 'the last of too many interruptions blocks',
    given: { verdict: { kind: 'INTERRUPTED', row: 17 }, outcome: null, interrupts: [SOON.limit - 1, SOON.limit - 1] },
    job: 'block',
    attempt: 'interrupt',
    reason: 'crash_loop',
  },
  {
    name: 'so does the last of too many in a day, however long each of them worked',
    given: { verdict: { kind: 'INTERRUPTED', row: 17 }, outcome: null, interrupts: [0, LATER.limit - 1] },
    job: 'block',
    attempt: 'interrupt',
    reason: 'crash_loop',
  },
  {
    name: 'one fewer in a day goes on',
    given: { verdict: { kind: 'INTERRUPTED', row: 17 }, outcome: null, interrupts: [0, LATER.limit - 2] },
    job: 'interrupt',
    attempt: 'interrupt',
    reason: null,
  },
  {
    name: 'a sealed attempt goes back to its place',
    given: { verdict: { kind: 'SEALED', row: 6 }, outcome: null },
    job: 'requeue',
    attempt: 'seal',
    reason: null,
  },
  {
    name: 'a command that cannot be executed needs a person',
    given: { verdict: { kind: 'NEVER_RAN', row: 3, execErrno: 'ENOENT' }, outcome: null },
    job: 'block',
    attempt: 'seal',
    reason: 'fix_config',
  },
  {
    name: 'a keeper that never gets going needs a person in the end',
    given: { verdict: { kind: 'SEALED', row: 6 }, outcome: null, recentNeverRan: NEVER_RAN_LIMIT - 1 },
    job: 'block',
    attempt: 'seal',
    reason: 'fix_config',
  },
  {
    name: 'a disk that stays full is waited for, however often',
    given: {
      verdict: { kind: 'SEALED', row: 6 },
      outcome: null,
      recentNeverRan: NEVER_RAN_LIMIT + 5,
      trouble: { message: 'ENOSPC', passes: true },
    },
    job: 'requeue',
    attempt: 'seal',
    reason: null,
  },
  {
    name: 'a keeper that found no room for its records is no strike, and says what is missing',
    given: {
      verdict: { kind: 'NEVER_RAN', row: 3, execErrno: 'ENOSPC' },
      outcome: null,
      recentNeverRan: NEVER_RAN_LIMIT + 5,
      trouble: { message: 'the disk is full', passes: true, diskFull: true },
    },
    job: 'requeue',
    attempt: 'seal',
    reason: 'free_disk',
  },
  {
    name: 'damaged evidence is set aside',
    given: { verdict: { kind: 'QUARANTINE', row: 0, why: 'exit.json' }, outcome: null },
    job: 'quarantine',
    attempt: 'quarantine',
    reason: 'record_corrupt',
  },
];

for (const one of cases) {
  test(one.name, () => {
    const ending = decideEnding(facts(one.given));
    assert.deepEqual(
      { job: ending.job, attempt: ending.attempt, reason: ending.reason },
      { job: one.job, attempt: one.attempt, reason: one.reason },
    );
  });
}

test('an unresumable session is dropped, another one is kept', () => {
  assert.equal(decideEnding(facts({ outcome: 'unresumable' })).dropSession, true);
  assert.equal(decideEnding(facts({ outcome: 'interrupted' })).dropSession, false);
});

test('an attempt we stopped to continue it later goes back to the queue, however often', () => {
  const given = {
    verdict: finished({ code: null, signal: 'SIGTERM', stoppedBy: 'stop' }),
    outcome: 'interrupted',
  } as const;
  const paused = decideEnding(facts({ ...given, interrupts: [100, 100] }));
  assert.deepEqual([paused.attempt, paused.job, paused.reason], ['interrupt', 'interrupt', null]);
});

test('every ending is a transition both tables allow from a running attempt of a running job', () => {
  const exit = fc.record({
    started: fc.constant(true),
    code: fc.option(fc.integer({ min: 0, max: 255 })),
    signal: fc.constantFrom(null, 'SIGTERM', 'SIGKILL'),
    execErrno: fc.constant(null),
    stoppedBy: fc.constantFrom(null, 'wall', 'idle', 'output', 'stop', 'host'),
    reason: fc.constant(null),
    bytesOut: fc.nat(),
    bytesErr: fc.nat(),
  });
  const verdict: fc.Arbitrary<FinalVerdict> = fc.oneof(
    exit.map((one) => ({ kind: 'FINISHED' as const, row: 4 as const, exit: one })),
    fc.constantFrom<FinalVerdict>(
      { kind: 'QUARANTINE', row: 0, why: 'x' },
      { kind: 'NEVER_RAN', row: 13, execErrno: null },
      { kind: 'NEVER_RAN', row: 3, execErrno: 'EACCES' },
      { kind: 'SEALED', row: 6 },
      { kind: 'FOREIGN', row: 7 },
      { kind: 'FINISHED_BY_OUTPUT', row: 16 },
      { kind: 'INTERRUPTED', row: 17 },
    ),
  );
  fc.assert(
    fc.property(
      fc.record({
        verdict,
        warm: fc.boolean(),
        outcome: fc.constantFrom(null, 'success', 'agent-error', 'api-error', 'interrupted', 'unresumable'),
        agentMessage: fc.constantFrom(null, 'it failed'),
        stoppedBy: fc.constantFrom(null, 'wall', 'idle', 'output', 'stop', 'host'),
        exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
        notStarted: fc.constantFrom(null, 'x: command not found'),
        trouble: fc.constantFrom(null, { message: 'no keeper', passes: false }, { message: 'no space', passes: true }),
        unreadable: fc.constantFrom(null, 'no adapter'),
        cancelRequested: fc.boolean(),
        onInterrupt: fc.constantFrom('continue', 'ask'),
        interrupts: fc.tuple(fc.nat(10), fc.nat(30)),
        recentNeverRan: fc.nat(10),
      }) as fc.Arbitrary<EndFacts>,
      (given) => {
        const ending = decideEnding(given);
        assert.ok((JOB_TRANSITIONS[ending.job].from as readonly string[]).includes('running'), ending.job);
        assert.ok((ATTEMPT_TRANSITIONS[ending.attempt].from as readonly string[]).includes('running'), ending.attempt);
        // A person is never sent to a job without being told why.
        if (ending.job === 'block' || ending.job === 'quarantine' || ending.job === 'fail') {
          assert.notEqual(ending.reason, null);
          assert.notEqual(ending.blocker, null);
        }
      },
    ),
  );
});

test('a command that cannot be executed is named in the blocker', () => {
  const verdict = { kind: 'NEVER_RAN', row: 3, execErrno: 'ENOENT' } as const;
  const { blocker } = decideEnding(facts({ verdict, notStarted: 'cluade: command not found' }));
  assert.equal(blocker, "the agent's command cannot be executed (ENOENT): cluade: command not found");
});
