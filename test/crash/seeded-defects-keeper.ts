import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into the keeper, the agents and the workspaces. */
export const KEEPER_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a keeper that lives is taken for dead',
    edits: [
      {
        file: 'src/keeper/evidence.ts',
        find: 'const keeperAlive = probe.answers || (isHere && keeper !== null && isAlive(keeper));',
        replace: 'const keeperAlive = keeper === null;',
      },
    ],
    file: 'test/crash/kill-between-lines.test.ts',
    test: 'one agent, its server killed',
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
    file: 'test/crash/finish-while-down.test.ts',
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
    file: 'test/crash/finish-while-down.test.ts',
    test: 'agents end while the server is down',
  },
  {
    what: 'a process is known by its pid alone',
    edits: [
      {
        file: 'src/keeper/host-identity.ts',
        find: 'return found !== null && found.start === identity.start && !found.dead;',
        replace: 'return found !== null && !found.dead;',
      },
    ],
    file: 'test/crash/identity.test.ts',
    test: 'a pid that was given to a stranger',
  },
  {
    what: 'a process is dead when its first thread is',
    edits: [{ file: 'src/keeper/host-identity.ts', find: "(state === 'Z' && at(20) <= 1)", replace: "state === 'Z'" }],
    file: 'src/keeper/processes.test.ts',
    test: 'a process whose first thread has ended',
  },
  {
    what: 'a zombie counts as alive',
    edits: [
      {
        file: 'src/keeper/host-identity.ts',
        find: "(state === 'Z' && at(20) <= 1)",
        replace: 'false',
      },
    ],
    file: 'test/crash/identity.test.ts',
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
        find: "const GONE_STATES = new Set(['X', 'x']);",
        replace: "const GONE_STATES = new Set(['X', 'x', 'T']);",
      },
    ],
    file: 'test/crash/identity.test.ts',
    test: 'a stopped keeper keeps its attempt',
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
    file: 'test/crash/strays.test.ts',
    test: 'the agent is killed: its tool',
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
    file: 'test/crash/stranger-signals.test.ts',
    test: 'signals of strangers while the server is up',
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
    file: 'test/crash/damaged-records.test.ts',
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
    file: 'test/crash/damaged-records.test.ts',
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
    file: 'test/crash/session-kill.test.ts',
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
    file: 'test/crash/session-kill.test.ts',
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
    file: 'test/crash/reboot.test.ts',
    test: 'a stranger of the new boot',
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
    file: 'test/crash/clock.test.ts',
    test: 'a clock that jumps',
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
    file: 'test/crash/full-disk.test.ts',
    test: 'a full disk',
  },
];
