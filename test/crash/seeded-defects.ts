/**
 * Defects that were put into the code on purpose, each with the test that must fail by it: a test that cannot fail
 * shows nothing. `node scripts/seed-defects.ts` puts each into a copy of the tree and runs its test there.
 */
export interface SeededDefect {
  /** What the code does wrong then. */
  what: string;
  /** `find` occurs exactly once in `file`. */
  edits: readonly { file: string; find: string; replace: string }[];
  /** Below test/crash. */
  file: string;
  /** Begin of the name of the test that fails. */
  test: string;
}

export const SEEDED_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a keeper that lives is taken for dead',
    edits: [
      {
        file: 'src/keeper/evidence.ts',
        find: 'const keeperAlive = probe.answers || (isHere && keeper !== null && isAlive(keeper));',
        replace: 'const keeperAlive = keeper === null;',
      },
    ],
    file: 'kill-between-lines.test.ts',
    test: 'one agent, its server killed',
  },
  {
    what: 'the output is served from its second byte on',
    edits: [
      {
        file: 'src/api/routes/output.ts',
        find: "const { start, end } = range === 'whole' ? { start: 0, end: size - 1 } : range;",
        replace: "const { start, end } = range === 'whole' ? { start: 1, end: size - 1 } : range;",
      },
    ],
    file: 'kill-between-lines.test.ts',
    test: 'an agent of 20 lines',
  },
  {
    what: 'an exit code of an agent that ended unseen is not read',
    edits: [
      {
        file: 'src/agents/outcome.ts',
        find: "return exit.code === 0 ? 'success' : 'agent-error';",
        replace: "return 'success';",
      },
    ],
    file: 'finish-while-down.test.ts',
    test: 'agents end while the server is down',
  },
  {
    what: 'limits are not kept by the keeper',
    edits: [
      {
        file: 'src/keeper/program/keeper.ts',
        find: 'if (cause === null) return;',
        replace: 'if (cause !== null || cause === null) return;',
      },
    ],
    file: 'finish-while-down.test.ts',
    test: 'agents end while the server is down',
  },
  {
    what: 'the newest job is claimed first',
    edits: [
      {
        file: 'src/store/sqlite/claim.ts',
        find: 'ORDER BY priority DESC, queue_seq LIMIT',
        replace: 'ORDER BY priority DESC, queue_seq DESC LIMIT',
      },
    ],
    file: 'queue-order.test.ts',
    test: 'eight jobs wait',
  },
  {
    what: 'the limit of a host is not counted',
    edits: [
      {
        file: 'src/store/sqlite/claim.ts',
        find: 'Math.min(claim.max, claim.hostLimit - active)',
        replace: 'Math.min(claim.max, claim.hostLimit)',
      },
    ],
    file: 'queue-order.test.ts',
    test: 'eight jobs wait',
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
    file: 'claimed-not-spawned.test.ts',
    test: 'killed at attempt.after-claim',
  },
  {
    what: 'a job that is put back goes to the end of the queue',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: "if (transition === 'start')",
        replace: "if (transition === 'start' || transition === 'requeue')",
      },
    ],
    file: 'claimed-not-spawned.test.ts',
    test: 'killed at attempt.after-workspace',
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
    file: 'claimed-not-spawned.test.ts',
    test: 'killed at attempt.after-intent',
  },
  {
    what: 'a process is known by its pid alone',
    edits: [
      {
        file: 'src/keeper/host-identity.ts',
        find: 'return found !== null && found.start === identity.start && !isDeadState(found.state);',
        replace: 'return found !== null && !isDeadState(found.state);',
      },
    ],
    file: 'identity.test.ts',
    test: 'a pid that was given to a stranger',
  },
  {
    what: 'a zombie counts as alive',
    edits: [
      {
        file: 'src/keeper/host-identity.ts',
        find: "const DEAD_STATES = new Set(['Z', 'X', 'x']);",
        replace: "const DEAD_STATES = new Set(['X', 'x']);",
      },
    ],
    file: 'identity.test.ts',
    test: 'a zombie is dead',
  },
  {
    what: 'a keeper that does not answer is given up',
    edits: [
      {
        file: 'src/keeper/evidence.ts',
        find: 'return { answers: connection !== null, trouble: null };',
        replace: 'return { answers: false, trouble: null };',
      },
      {
        file: 'src/keeper/host-identity.ts',
        find: "const DEAD_STATES = new Set(['Z', 'X', 'x']);",
        replace: "const DEAD_STATES = new Set(['Z', 'X', 'x', 'T']);",
      },
    ],
    file: 'identity.test.ts',
    test: 'a stopped keeper keeps its attempt',
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
    file: 'identity.test.ts',
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
    file: 'identity.test.ts',
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
    file: 'strays.test.ts',
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
    file: 'strays.test.ts',
    test: 'a keeper dies between its record',
  },
  {
    what: 'the keeper leaves what its agent left behind, and the server does not look again',
    edits: [
      {
        file: 'src/keeper/program/keeper.ts',
        find: 'await this.#endStrays();',
        replace: '',
      },
      {
        file: 'src/lifecycle/verdict.ts',
        find: "if (facts.agentAlive || facts.straysAlive) return { kind: 'STRAYS', row: 2 };",
        replace: '',
      },
    ],
    file: 'strays.test.ts',
    test: 'the agent is killed: its tool',
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
    file: 'stopped-ending.test.ts',
    test: 'a keeper stopped after its exit record',
  },
  {
    what: 'a job at work is recorded as cancelled at once',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: 'if (!isActive(job.record.state)) {',
        replace: 'if (job.record.state.length > 0) {',
      },
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: 'const states = fence === null ? from.filter((state) => !isActive(state)) : from;',
        replace: 'const states = from;',
      },
    ],
    file: 'cancel.test.ts',
    test: 'an agent and a tool that ignore SIGTERM',
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
    file: 'cancel.test.ts',
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
    file: 'cancel.test.ts',
    test: 'a wish to cancel recorded before a crash',
  },
  {
    what: 'a quarantined job is cancelled without a look at its processes',
    edits: [
      {
        file: 'src/server/services.ts',
        find: "if (job.state === 'quarantined') await endLeftovers(ctx, job.id);",
        replace: '',
      },
    ],
    file: 'cancel.test.ts',
    test: 'a quarantined job is cancelled only',
  },
  {
    what: 'an operator retry opens no epoch',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: 'epoch: job.epoch + 1,',
        replace: '',
      },
    ],
    file: 'cancel.test.ts',
    test: 'held and queued jobs',
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
    file: 'cancel-race.test.ts',
    test: 'a wish to cancel in the same commit',
  },
  {
    what: 'an agent ended by a signal has failed',
    edits: [
      {
        file: 'src/agents/outcome.ts',
        find: "if (exit === 'unknown' || exit.stoppedBy !== null || endedBySignal(exit)) return 'interrupted';",
        replace: "if (exit === 'unknown') return 'interrupted';",
      },
    ],
    file: 'stranger-signals.test.ts',
    test: 'signals of strangers while the server is up',
  },
  {
    what: 'interruptions are not counted',
    edits: [
      {
        file: 'src/attempts/decide.ts',
        find: 'if (facts.recentInterrupts + 1 >= CRASH_LOOP_LIMIT) {',
        replace: 'if (facts.recentInterrupts + 1 >= 1000) {',
      },
    ],
    file: 'stranger-signals.test.ts',
    test: 'an agent that is killed every time',
  },
  {
    what: 'sums of records are not compared',
    edits: [
      {
        file: 'src/keeper/protocol.ts',
        find: "if (typeof sum !== 'string' || sum !== sha256(canonicalJson(record))) throw new Error('its sum does not match');",
        replace: "if (sum === 'never') throw new Error(`${sha256(canonicalJson(record))}`);",
      },
    ],
    file: 'damaged-records.test.ts',
    test: 'jobs with damaged records',
  },
  {
    what: 'a damaged exit record counts as none',
    edits: [
      {
        file: 'src/keeper/evidence.ts',
        find: "if (reading.kind === 'bad') return",
        replace: "if (reading.kind === 'bad' && reading !== exit) return",
      },
    ],
    file: 'damaged-records.test.ts',
    test: 'jobs with damaged records',
  },
  {
    what: 'keepers stay in the session of the server',
    edits: [
      {
        file: 'src/keeper/launch.ts',
        find: "env, detached: true, stdio: ['ignore', log, log]",
        replace: "env, detached: false, stdio: ['ignore', log, log]",
      },
    ],
    file: 'session-kill.test.ts',
    test: 'the process group of the server',
  },
  {
    what: 'keepers and agents stay in the session of the server',
    edits: [
      {
        file: 'src/keeper/launch.ts',
        find: "env, detached: true, stdio: ['ignore', log, log]",
        replace: "env, detached: false, stdio: ['ignore', log, log]",
      },
      {
        file: 'src/keeper/program/gate.ts',
        find: 'detached: true,',
        replace: 'detached: false,',
      },
    ],
    file: 'session-kill.test.ts',
    test: 'its terminal goes away',
  },
  {
    what: 'boots are not told apart',
    edits: [
      {
        file: 'src/keeper/evidence.ts',
        find: 'sameBoot: claim.boot === identity.boot,',
        replace: 'sameBoot: claim.boot !== identity.boot || claim.boot === identity.boot,',
      },
    ],
    file: 'reboot.test.ts',
    test: 'a stranger of the new boot',
  },
  {
    what: 'sessions are never resumed',
    edits: [
      {
        file: 'src/attempts/start-attempt.ts',
        find: "if (resumable) return { mode: 'warm', id: job.sessionId };",
        replace: '',
      },
    ],
    file: 'reboot.test.ts',
    test: 'attempts of the old boot',
  },
  {
    what: 'the lock of a home is shared',
    edits: [
      {
        file: 'src/store/sqlite/home-lock.ts',
        find: "database.exec('BEGIN EXCLUSIVE');",
        replace: "database.exec('BEGIN');",
      },
    ],
    file: 'races.test.ts',
    test: 'two processes race',
  },
  {
    what: 'two servers work on one home',
    edits: [
      {
        file: 'src/server/home-guard.ts',
        find: 'if (lock !== null) return lock;',
        replace: 'return lock ?? { release: () => undefined };',
      },
    ],
    file: 'races.test.ts',
    test: 'two servers race',
  },
  {
    what: 'whoever wrote server.json last is named as the holder',
    edits: [
      {
        file: 'src/server/home-guard.ts',
        find: 'if (named !== null && isAlive(named)) return named;',
        replace: 'if (named !== null) return named;',
      },
    ],
    file: 'races.test.ts',
    test: 'a server that is dead is not named',
  },
  {
    what: 'a reader that comes back begins anew',
    edits: [
      {
        file: 'src/api/contract/stream-position.ts',
        find: 'offset: Number(match[2])',
        replace: 'offset: 0',
      },
    ],
    file: 'stream-through-restarts.test.ts',
    test: 'streams and logs -f',
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
    file: 'hundred-agents.test.ts',
    test: '',
  },
  {
    what: 'a database that is gone is made anew',
    edits: [
      {
        file: 'src/store/sqlite/open.ts',
        find: 'if (seq > 0) throw',
        replace: 'if (seq > 1e9) throw',
      },
    ],
    file: 'bad-inputs.test.ts',
    test: 'a database that is gone',
  },
  {
    what: 'the witness is not compared',
    edits: [
      {
        file: 'src/store/sqlite/witness.ts',
        find: 'if (mark.seq > last.seq) {',
        replace: 'if (mark.seq > last.seq) continue;\n    if (mark.seq > last.seq) {',
      },
    ],
    file: 'bad-inputs.test.ts',
    test: 'writes that the log has lost',
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
    file: 'bad-inputs.test.ts',
    test: 'a command that is not installed',
  },
  {
    what: 'an old heartbeat means a dead keeper',
    edits: [
      {
        file: 'src/keeper/evidence.ts',
        find: 'const keeperAlive = probe.answers ||',
        replace: `const last = records.sentinel.kind === 'ok' ? Number(Reflect.get(records.sentinel.record, 'lastHeartbeat')) : 0;
  const keeperAlive = Math.abs(Date.now() - last) > 600_000 ? false : probe.answers ||`,
      },
    ],
    file: 'clock.test.ts',
    test: 'a clock that jumps',
  },
  {
    what: 'a full disk counts as a broken one',
    edits: [
      {
        file: 'src/store/sqlite/sql.ts',
        find: "if (code === PRIMARY.FULL) return 'full';",
        replace: "if (code === PRIMARY.FULL) return 'io';",
      },
    ],
    file: 'full-disk.test.ts',
    test: 'a full disk',
  },
  {
    what: 'no room is kept for the exit record',
    edits: [
      {
        file: 'src/keeper/program/keeper.ts',
        find: 'this.#reserve = reserveExitRecord();',
        replace: 'reserveExitRecord();',
      },
    ],
    file: 'full-disk.test.ts',
    test: 'a full disk',
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
    file: 'pid-namespace.test.ts',
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
    file: 'pid-namespace.test.ts',
    test: 'a container that is gone',
  },
];
