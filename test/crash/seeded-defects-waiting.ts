import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into what waits: claims of several repositories, shared fetches. */
export const WAITING_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'no place is kept for a job that was passed often enough',
    edits: [
      {
        file: 'src/lifecycle/choose-claims.ts',
        find: 'if (overtaken >= MAX_OVERTAKEN) take(repositories);',
        replace: 'if (overtaken > MAX_OVERTAKEN) take(repositories);',
      },
    ],
    file: 'test/crash/several-repositories.test.ts',
    test: 'single jobs pass a waiting one',
  },
  {
    what: 'a fetch that was recorded for all who wait is done again',
    edits: [
      {
        file: 'src/attempts/fetch-base.ts',
        find: 'batch.through < queueSeq',
        replace: 'batch.through >= queueSeq',
      },
    ],
    file: 'test/crash/batches.test.ts',
    test: 'killed at mirror.after-batch',
  },
  {
    what: 'a job that is unfrozen stands in no line',
    edits: [
      {
        file: 'src/store/sqlite/freeze.ts',
        find: 'session.counters.recountFrozen({ before: job.record, after: record });',
        replace: '',
      },
    ],
    file: 'src/store/sqlite/sqlite-store.test.ts',
    test: 'does not claim a frozen job after a start',
  },
  {
    what: 'a temp pack that became a pack meanwhile ends the update of a mirror',
    edits: [
      {
        file: 'src/workspace/mirror.ts',
        find: `    if (systemClock.now() - (await stat(path)).mtimeMs > STALE_TEMP_MS) await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }`,
        replace: `    if (systemClock.now() - (await stat(path)).mtimeMs > STALE_TEMP_MS) await unlink(path);
  } catch (error) {
    throw error;
  }`,
      },
    ],
    file: 'src/workspace/mirror.test.ts',
    test: 'lets a temp pack of another job become a pack',
  },
  {
    what: 'the end of a job does not carry on who waits for it',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: '  carryOnDependents(session, moved.record, move.actor);',
        replace: '',
      },
    ],
    file: 'test/crash/after.test.ts',
    test: 'killed at attempt.before-settle',
  },
  {
    what: 'a job that failed is waited for like one that ended well',
    edits: [
      {
        file: 'src/lifecycle/dependency.ts',
        find: "    case 'failed':\n    case 'cancelled':",
        replace: "    case 'failed':\n      return 'met';\n    case 'cancelled':",
      },
    ],
    file: 'test/crash/after.test.ts',
    test: 'killed at attempt.before-settle',
  },
  {
    what: 'a damaged job that waits is carried on by the end of the other',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: 'if (faults.length === 0) return false;',
        replace: 'if (faults.length >= 0) return false;',
      },
    ],
    file: 'src/store/sqlite/after-damaged.test.ts',
    test: 'sets aside who waits for it and forgets one',
  },
  {
    what: 'a job that was removed is waited for without end',
    edits: [
      {
        file: 'src/store/sqlite/remove-job.ts',
        find: '  carryOnDependents(session, { ...record, state: null }, actor);',
        replace: '',
      },
    ],
    file: 'src/store/sqlite/sqlite-store.test.ts',
    test: 'is blocked when one it waits for is removed',
  },
];
