import type { SeededDefect } from './seeded-defect.ts';

const LEASES = 'test/crash/leases.test.ts';
const WAITS = 'packets that may touch the same wait for each other';
const LATE = 'test/crash/late-results.test.ts';
const REFUSED = 'what an owner says that is none any more is refused';

/** Defects of leases and fences. */
export const LEASE_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'what waited for the paths of another begins before its merge',
    edits: [
      {
        file: 'src/attempts/stages/merge.ts',
        find: "  if (advanced.kind === 'advanced') await tellMirror(",
        replace: "  if (advanced.kind === 'held') await tellMirror(",
      },
    ],
    file: LEASES,
    test: 'what waited for the paths of another begins on its merge',
  },
  {
    what: 'nobody looks whether two packets may touch the same',
    edits: [
      {
        file: 'src/lifecycle/surface.ts',
        find: '    if (overlap !== null) return { ...one, ...overlap };',
        replace: '    if (overlap !== null && one.job.number < 0) return { ...one, ...overlap };',
      },
    ],
    file: LEASES,
    test: WAITS,
  },
  {
    what: 'a packet that waits for its paths is passed by one it then waits for',
    edits: [
      {
        file: 'src/lifecycle/surface.ts',
        find: '    add(job, false);',
        replace: '    if (obstacle === null) add(job, false);',
      },
    ],
    file: LEASES,
    test: WAITS,
  },
  {
    what: 'the end of an attempt is taken from whoever made it, whatever was claimed since',
    edits: [
      {
        file: 'src/store/sqlite/attempts.ts',
        find: '  if (move.fence !== job.record.fence || !updateRecord(',
        replace: '  if (!updateRecord(',
      },
      {
        file: 'src/store/sqlite/attempts.ts',
        find: '[name, ` AND state IN (${listLiterals(from)})`]',
        replace: "[name, from.length > 9 ? '' : '']",
      },
      {
        file: 'src/store/sqlite/records.ts',
        find: '  if (update.fence !== null) {',
        replace: '  if (update.fence !== null && update.fence < 0) {',
      },
    ],
    file: LATE,
    test: REFUSED,
  },
  {
    what: 'a refusal is answered and not recorded',
    edits: [
      {
        file: 'src/store/sqlite/refusals.ts',
        find: "  if (operation === 'settleAttempt') return true;",
        replace: "  if (operation === 'settleAttempt') return false;",
      },
    ],
    file: LATE,
    test: REFUSED,
  },
  {
    what: 'a refusal is recorded as often as it is said',
    edits: [
      {
        file: 'src/store/sqlite/refusals.ts',
        find: '  const id = `${jobId}/${of}/${refusal.word}`;',
        replace: '  const id = `${jobId}/${of}/${refusal.word}/${session.counters.last("seq")}`;',
      },
    ],
    file: LATE,
    test: REFUSED,
  },
];
