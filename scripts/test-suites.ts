/**
 * What each suite of tests consists of. The globs are explicit because `node --test` alone would run every file below
 * `test/`, and a glob that matches nothing would pass; so every glob also says how many files it must match at least.
 */
export interface TestGlob {
  pattern: string;
  atLeast: number;
}

export interface TestSuite {
  globs: readonly TestGlob[];
  /** Files of the globs that are left to another suite. */
  except: readonly string[];
  /** Milliseconds one file may take before it counts as failed. */
  fileTimeoutMs: number;
  /** `HOLDFAST_CRASH` for the crash tests: how many of their points they take. */
  crash: 'none' | 'sample' | 'all';
}

const UNIT: TestGlob = { pattern: 'src/**/*.test.ts', atLeast: 70 };
const HOUSE: TestGlob = { pattern: 'test/*.test.ts', atLeast: 10 };
/** The command line with whole servers. */
const E2E: TestGlob = { pattern: 'test/e2e/*.test.ts', atLeast: 1 };
const CRASH: TestGlob = { pattern: 'test/crash/*.test.ts', atLeast: 15 };

/** The keeper's own suite: its races run 200 rounds when every crash point is asked for. */
const KEEPER: TestGlob = { pattern: 'src/keeper/program/main.test.ts', atLeast: 1 };

/**
 * Crash tests of one subject each, whose points the failpoint sweep samples in every run: they are left to
 * `npm run test:crash`, so that a run of every change stays below five minutes.
 */
const LONG = [
  'test/crash/aborted-start.test.ts',
  'test/crash/after.test.ts',
  'test/crash/backup-full-disk.test.ts',
  'test/crash/backup.test.ts',
  'test/crash/bad-inputs.test.ts',
  'test/crash/batch-api.test.ts',
  'test/crash/batches.test.ts',
  'test/crash/callbacks.test.ts',
  'test/crash/cancel.test.ts',
  'test/crash/clock.test.ts',
  'test/crash/damaged-home.test.ts',
  'test/crash/damaged-lock.test.ts',
  'test/crash/damaged-records.test.ts',
  'test/crash/damaged-row.test.ts',
  'test/crash/evidence.test.ts',
  'test/crash/freeze.test.ts',
  'test/crash/full-disk.test.ts',
  'test/crash/identity.test.ts',
  'test/crash/installed.test.ts',
  'test/crash/kill-between-lines.test.ts',
  'test/crash/late-results.test.ts',
  'test/crash/leases.test.ts',
  'test/crash/low-disk.test.ts',
  'test/crash/merge-faults.test.ts',
  'test/crash/merge-remote.test.ts',
  'test/crash/missing-records.test.ts',
  'test/crash/orphans.test.ts',
  'test/crash/pid-namespace.test.ts',
  'test/crash/pipeline-faults.test.ts',
  'test/crash/proof.test.ts',
  'test/crash/push-faults.test.ts',
  'test/crash/queue-order.test.ts',
  'test/crash/races.test.ts',
  'test/crash/read-only.test.ts',
  'test/crash/reading.test.ts',
  'test/crash/real-repository.test.ts',
  'test/crash/reboot.test.ts',
  'test/crash/removal.test.ts',
  'test/crash/resources.test.ts',
  'test/crash/restore.test.ts',
  'test/crash/restored-pipeline.test.ts',
  'test/crash/retention.test.ts',
  'test/crash/session-kill.test.ts',
  'test/crash/several-repositories.test.ts',
  'test/crash/silent-source.test.ts',
  'test/crash/statistics.test.ts',
  'test/crash/stopped-ending.test.ts',
  'test/crash/stopped-writer.test.ts',
  'test/crash/stranger-signals.test.ts',
  'test/crash/strays.test.ts',
  'test/crash/stream-through-restarts.test.ts',
  'test/crash/tampered-evidence.test.ts',
  'test/crash/transcript.test.ts',
  'test/crash/uploads.test.ts',
  'test/crash/warm-rounds.test.ts',
];

const LAB = 'test/crash/lab.test.ts';

export const SUITES = {
  /** Unit and conformance tests: `npm test`. */
  fast: { globs: [UNIT, HOUSE], except: [], fileTimeoutMs: 120_000, crash: 'none' },
  /** The same, the command line with whole servers, and a sample of the crash tests: the last step of `npm run check`. */
  check: { globs: [UNIT, HOUSE, E2E, CRASH], except: LONG, fileTimeoutMs: 240_000, crash: 'sample' },
  /** Every crash point: `npm run test:crash`. */
  crash: { globs: [CRASH, KEEPER], except: [], fileTimeoutMs: 3_600_000, crash: 'all' },
  /** The same beside a full run of the lab, which needs no sample of itself. */
  'crash-beside-lab': { globs: [CRASH, KEEPER], except: [LAB], fileTimeoutMs: 3_600_000, crash: 'all' },
} as const satisfies Record<string, TestSuite>;
export type SuiteName = keyof typeof SUITES;
