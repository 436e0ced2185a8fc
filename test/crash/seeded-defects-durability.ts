import type { SeededDefect } from './seeded-defect.ts';

const FILE = 'test/crash/lab.test.ts';
const CUT = 'the power, cut after operations';

/**
 * Defects of what survives a cut of the power. A SIGKILL keeps everything that was written, flushed or not, so most of
 * these no kill can show.
 */
export const DURABILITY_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'the database is never flushed',
    edits: [
      { file: 'src/store/sqlite/open.ts', find: 'PRAGMA synchronous = FULL', replace: 'PRAGMA synchronous = OFF' },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'the log of the database is flushed when it is moved, not at every commit',
    edits: [
      { file: 'src/store/sqlite/open.ts', find: 'PRAGMA synchronous = FULL', replace: 'PRAGMA synchronous = NORMAL' },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'a new file gets its name before its content is flushed',
    edits: [
      {
        file: 'src/kernel/durable.ts',
        find: '    fsyncSync(fd);\n  } catch (error) {',
        replace: '  } catch (error) {',
      },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'a new name is not flushed',
    edits: [
      {
        file: 'src/kernel/durable.ts',
        find: `    renameSync(temp, path);
  } catch (error) {
    unlinkSync(temp);
    throw error;
  }
  syncDirectorySync(dirname(path));`,
        replace: '    renameSync(temp, path);\n  } finally {\n    // Not flushed.\n  }',
      },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'the name of the exit record is not flushed',
    edits: [
      {
        file: 'src/keeper/program/exit-record.ts',
        find: "renameSync(RUN_FILES.reserve, RUN_FILES.exit);\n  syncDirectorySync('.');",
        replace: 'renameSync(RUN_FILES.reserve, RUN_FILES.exit);',
      },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'the exit record vouches for output that is not flushed',
    edits: [
      {
        file: 'src/keeper/program/keeper.ts',
        find: 'for (const fd of [output, stderr]) if (fd !== null) syncDataSync(fd);',
        replace: '',
      },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'directories are made without a thought for their names',
    edits: [
      {
        file: 'src/kernel/durable.ts',
        find: '    await syncDirectory(parent);\n  } catch (error) {',
        replace: '  } catch (error) {',
      },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'callers are answered before their group is committed',
    edits: [
      {
        file: 'src/store/sqlite/group-commit.ts',
        find: "import { fail } from '../../kernel/errors.ts';",
        replace: "import { parentPort } from 'node:worker_threads';\nimport { fail } from '../../kernel/errors.ts';",
      },
      {
        file: 'src/store/sqlite/group-commit.ts',
        find: 'return [id, true, carryOutWrite(session, operation, args) ?? null];',
        replace: `const early: Answer = [id, true, carryOutWrite(session, operation, args) ?? null];
  parentPort?.postMessage({ kind: 'answers', answers: [early], events: [] });
  return early;`,
      },
    ],
    file: FILE,
    test: CUT,
  },
  {
    what: 'a write whose outcome is unknown is taken for one that failed',
    edits: [
      {
        file: 'src/store/sqlite/group-commit.ts',
        find: "if (failure === 'io' || failure === 'request') throw new FatalError",
        replace: "if (failure === 'request') throw new FatalError",
      },
    ],
    file: FILE,
    test: 'servers and keepers, their operations failing',
  },
  {
    what: 'a crash in the very first write makes the home unusable',
    edits: [{ file: 'src/store/sqlite/open.ts', find: '    undoFirstWrite(path, seen.marks);\n', replace: '' }],
    file: FILE,
    test: CUT,
  },
  {
    what: 'records are not compared with the journal when all is checked',
    edits: [
      {
        file: 'src/store/sqlite/check-deep.ts',
        find: 'const faults = compareWithRows(sql, fold);',
        replace: 'const faults: string[] = compareWithRows(sql, fold).slice(0, 0);',
      },
    ],
    file: FILE,
    test: 'bits, flipped',
  },
  {
    what: 'a server that was stopped and lost its home goes on writing',
    edits: [{ file: 'src/store/sqlite/group-commit.ts', find: '      checkFence(store);\n', replace: '' }],
    file: 'test/crash/races.test.ts',
    test: 'a stopped server that lost its home',
  },
];
