import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into the last steps of a keeper, as its server sees them. */
export const ENDING_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a keeper that hangs after its record is waited for without a limit',
    edits: [
      {
        file: 'src/attempts/resolve-attempt.ts',
        find: 'const KEEPER_ENDING_MS = STRAYS_DEADLINE_MS + 15_000;',
        replace: 'const KEEPER_ENDING_MS = STRAYS_DEADLINE_MS + 15_000_000;',
      },
    ],
    file: 'test/crash/stopped-ending.test.ts',
    test: 'a keeper that hangs after its exit record',
  },
  {
    what: 'a keeper that hangs after its record is listened to for ever',
    edits: [
      {
        file: 'src/attempts/follow-run.ts',
        find: 'if (status === null && (await exists(join(runDir, RUN_FILES.exit)))) return connection.close();',
        replace: '',
      },
    ],
    file: 'test/crash/stopped-ending.test.ts',
    test: 'a keeper that hangs after its exit record',
  },
  {
    what: 'a keeper that lives is waited for where it has taken its socket away',
    edits: [
      {
        file: 'src/attempts/follow-attempt.ts',
        find: 'if (!input.isKeeperAlive() || (await exists(join(input.runDir, RUN_FILES.exit)))) return null;',
        replace: 'if (!input.isKeeperAlive()) return null;',
      },
    ],
    file: 'test/crash/stopped-ending.test.ts',
    test: 'a keeper that hangs after its exit record',
  },
  {
    what: 'a keeper is killed beside a record that its living agent forged',
    edits: [
      {
        file: 'src/attempts/resolve-attempt.ts',
        find: 'if (agent !== null && isAlive(agent)) return;',
        replace: '',
      },
    ],
    file: 'test/crash/stopped-ending.test.ts',
    test: 'a keeper beside a forged exit record',
  },
];
