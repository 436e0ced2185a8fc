import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into carrying out, judging and recovering attempts. */
export const ATTEMPT_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'whoever leaves the line for a repository lets the next one past the holder',
    edits: [
      { file: 'src/attempts/repository-lock.ts', find: '!held.has(left.fence)', replace: 'true' },
      {
        file: 'src/attempts/repository-lock.ts',
        find: 'await tail;',
        replace: '',
      },
    ],
    file: 'src/attempts/repository-lock.test.ts',
    test: 'whoever leaves the line',
  },
  {
    what: 'claimed jobs without an attempt are forgotten',
    edits: [
      {
        file: 'src/recovery/recover-queue.ts',
        find: "filter((job) => job.state === 'preparing')",
        replace: 'filter((job) => job.number < 0)',
      },
    ],
    file: 'test/crash/claimed-not-spawned.test.ts',
    test: 'killed at attempt.after-claim',
  },
  {
    what: 'an attempt that never ran fails its job',
    edits: [
      {
        file: 'src/attempts/decide.ts',
        find: "return ending('seal', 'requeue');",
        replace: "return ending('seal', 'fail', { reason: 'exit_code', blocker: 'lost' });",
      },
    ],
    file: 'test/crash/claimed-not-spawned.test.ts',
    test: 'killed at attempt.after-intent',
  },
  {
    what: 'an agent without a keeper is not looked at',
    edits: [
      {
        file: 'src/lifecycle/verdict.ts',
        find: "if (facts.agentAlive) return { kind: 'ORPHAN_RUNNING', row: 14 };",
        replace: '',
      },
    ],
    file: 'test/crash/identity.test.ts',
    test: 'an agent whose keeper was killed is adopted',
  },
  {
    what: 'what an agent said last is not believed without an exit record',
    edits: [
      {
        file: 'src/lifecycle/verdict.ts',
        find: "return facts.finalResult ? { kind: 'FINISHED_BY_OUTPUT', row: 16 } : { kind: 'INTERRUPTED', row: 17 };",
        replace: "return { kind: 'INTERRUPTED', row: 17 };",
      },
    ],
    file: 'test/crash/identity.test.ts',
    test: 'an agent that says it is done',
  },
  {
    what: 'tools that outlive the agent are not looked for by the server',
    edits: [
      {
        file: 'src/lifecycle/verdict.ts',
        find: "if (facts.straysAlive) return { kind: 'STRAYS', row: 15 };",
        replace: '',
      },
    ],
    file: 'test/crash/strays.test.ts',
    test: 'the keeper and the agent are killed while the server is down',
  },
  {
    what: 'an exit record is enough, whatever lives on',
    edits: [
      {
        file: 'src/lifecycle/verdict.ts',
        find: "if (facts.agentAlive || facts.straysAlive) return { kind: 'STRAYS', row: 2 };",
        replace: '',
      },
    ],
    file: 'test/crash/strays.test.ts',
    test: 'a keeper dies between its record',
  },
  {
    what: 'a start waits for every keeper that is ending',
    edits: [
      {
        file: 'src/attempts/supervisor.ts',
        find: 'signal, scan, wait: false }',
        replace: 'signal, scan }',
      },
    ],
    file: 'test/crash/stopped-ending.test.ts',
    test: 'a keeper stopped after its exit record',
  },
  {
    what: 'git of a dead server is left to itself',
    edits: [
      {
        file: 'src/recovery/recover-queue.ts',
        find: 'const { left } = await endOperation(`${job.id}.`, LEFTOVER_DEADLINE_MS);',
        replace: 'const left: { pid: number }[] = [];',
      },
      {
        file: 'src/recovery/recover-locks.ts',
        find: 'const { left } = await endOperation(lock.operation, LEFTOVER_DEADLINE_MS);',
        replace: 'const left: { pid: number }[] = [];',
      },
    ],
    file: 'test/crash/cancel.test.ts',
    test: 'a job whose git hangs',
  },
  {
    what: 'a wish to cancel does not survive the server',
    edits: [
      {
        file: 'src/attempts/supervisor.ts',
        find: 'run.attempt = attached;',
        replace: 'run.attempt = attached;\n    run.cancelled = false;',
      },
    ],
    file: 'test/crash/cancel.test.ts',
    test: 'a wish to cancel recorded before a crash',
  },
  {
    what: 'a wish to cancel told before the claim was answered is not heard',
    edits: [
      {
        file: 'src/attempts/supervisor.ts',
        find: 'if (now !== null && now.cancelRequestedAt !== null) await cancelRun(run);',
        replace: '',
      },
    ],
    file: 'test/crash/cancel-race.test.ts',
    test: 'a wish to cancel in the same commit',
  },
  {
    what: 'interruptions are not counted',
    edits: [
      {
        file: 'src/attempts/decide.ts',
        find: '(facts.interrupts[at] ?? 0) + 1 >= limit',
        replace: '(facts.interrupts[at] ?? 0) + 1 >= limit * 1000',
      },
    ],
    file: 'test/crash/stranger-signals.test.ts',
    test: 'an agent that is killed every time',
  },
  {
    what: 'sessions are never resumed',
    edits: [
      {
        file: 'src/attempts/start-attempt.ts',
        find: "if (found !== null) return { mode: 'warm', id: found, model };",
        replace: '',
      },
    ],
    file: 'test/crash/reboot.test.ts',
    test: 'attempts of the old boot',
  },
  {
    what: 'only the first attempts of a start are looked at',
    edits: [
      {
        file: 'src/recovery/recover-attempts.ts',
        find: 'const attempts = await ctx.store.listLiveAttempts();',
        replace: 'const attempts = (await ctx.store.listLiveAttempts()).slice(0, 5);',
      },
    ],
    file: 'test/crash/hundred-agents.test.ts',
    test: '',
  },
  {
    what: 'a command that cannot be executed is tried again',
    edits: [
      {
        file: 'src/attempts/decide.ts',
        find: 'if (execErrno !== null) {',
        replace: "if (execErrno === 'never') {",
      },
    ],
    file: 'test/crash/bad-inputs.test.ts',
    test: 'a command that is not installed',
  },
  {
    what: 'a keeper of another pid namespace counts as gone',
    edits: [
      {
        file: 'src/lifecycle/verdict.ts',
        find: 'if (facts.foreignKeeperAnswers) {',
        replace: "if (facts.claim === 'none') {",
      },
    ],
    file: 'test/crash/pid-namespace.test.ts',
    test: 'a keeper in a container',
  },
  {
    what: 'a namespace that is gone is waited for',
    edits: [
      {
        file: 'src/lifecycle/verdict.ts',
        find: 'if (facts.sameNamespace && facts.keeperAlive)',
        replace: 'if (facts.keeperAlive || !facts.sameNamespace)',
      },
    ],
    file: 'test/crash/pid-namespace.test.ts',
    test: 'a container that is gone',
  },
  {
    what: 'new work begins whatever space is left on the disk',
    edits: [
      {
        file: 'src/queue/dispatcher.ts',
        find: 'if (!(await options.admit())) continue;',
        replace: 'await options.admit();',
      },
    ],
    file: 'test/crash/low-disk.test.ts',
    test: 'a disk with little space',
  },
  {
    what: 'the oldest work is stopped first when the disk fills up',
    edits: [{ file: 'src/queue/least-lost.ts', find: 'b.since - a.since', replace: 'a.since - b.since' }],
    file: 'test/crash/low-disk.test.ts',
    test: 'a disk with little space',
  },
  {
    what: 'the hash of a transcript is recorded without its file',
    edits: [
      {
        file: 'src/attempts/keep-transcript.ts',
        find: 'kept = await writeDurablePieces(ctx.home.transcript(job.id), pieces);',
        replace: 'kept = await writeDurablePieces(`${ctx.home.transcript(job.id)}.new`, pieces);',
      },
    ],
    file: 'test/crash/transcript.test.ts',
    test: 'after a crash at any point',
  },
  {
    what: 'a transcript is shown without a look at its hash',
    edits: [
      {
        file: 'src/api/routes/transcript.ts',
        find: 'if (found === sha256) return { handle, size };',
        replace: 'return { handle, size };',
      },
    ],
    file: 'test/crash/transcript.test.ts',
    test: 'one that was changed',
  },
];
