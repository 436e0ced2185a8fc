import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into what is cleaned up: removals, resources, orphans, locks, and what a start tells of them. */
export const CLEANING_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a removal that a crash cut off is not gone on with',
    edits: [
      {
        file: 'src/server/start-phases.ts',
        find: '    await finishRemovals(ctx, due);\n',
        replace: '    void finishRemovals;\n',
      },
    ],
    file: 'test/crash/removal.test.ts',
    test: 'killed at removal.before-rename',
  },
  {
    what: 'a resource is removed by its name, whatever has it now',
    edits: [
      {
        file: 'src/recovery/resource-kinds.ts',
        find: 'id: resource.facts.engineId, op',
        replace: 'id: resource.target, op',
      },
      {
        file: 'src/workspace/container-engine.ts',
        find: '  if (!FULL_ID.test(id)) throw fail(\'resource-refused\', `"${id}" is not the full id of a ${kind}`);\n',
        replace: '',
      },
      {
        file: 'src/workspace/container-engine.ts',
        find: "  if (found.id !== id) throw fail('resource-failed', `the engine answers for ${id} with ${found.id}`);\n",
        replace: '',
      },
    ],
    file: 'test/crash/resources.test.ts',
    test: 'killed at resource.after-removal',
  },
  {
    what: 'the removal a dead server had begun of a resource goes on beside the next one',
    edits: [
      {
        file: 'src/recovery/resource-keeper.ts',
        find: 'if (resource.tries > 0) await endEarlierTries(id);',
        replace: 'void endEarlierTries;',
      },
    ],
    file: 'test/crash/resources.test.ts',
    test: 'a removal that hangs when the server dies',
  },
  {
    what: 'a repair of an orphan that a crash cut off is not made good',
    edits: [
      {
        file: 'src/recovery/orphan-keeper.ts',
        find: 'const isDue = begun !== undefined || BY_ITSELF',
        replace: 'const isDue = BY_ITSELF',
      },
    ],
    file: 'test/crash/orphans.test.ts',
    test: 'killed at orphan.after-intent',
  },
  {
    what: 'every orphan is repaired, whichever was named',
    edits: [
      {
        file: 'src/recovery/orphan-keeper.ts',
        find: 'if (ids.has(orphan.id)) found.set(orphan.id, orphan);',
        replace: 'found.set(orphan.id, orphan);',
      },
      {
        file: 'src/recovery/orphan-keeper.ts',
        find: 'for (const id of new Set(ids)) {',
        replace: 'for (const id of found.keys()) {',
      },
    ],
    file: 'test/crash/orphans.test.ts',
    test: 'doctor lists orphans, --fix is a dry run',
  },
  {
    what: 'the lock of a dead server is kept for ten minutes',
    edits: [
      {
        file: 'src/recovery/recover-locks.ts',
        find: "const taken = judged.filter((one) => one.verdict !== 'valid');",
        replace: "const taken = judged.filter((one) => one.verdict === 'stale');",
      },
    ],
    file: 'src/recovery/recover-locks.test.ts',
    test: 'a living holder keeps its lock',
  },
  {
    what: 'the tree of an interrupted attempt is not saved before the next one',
    edits: [
      {
        file: 'src/attempts/ready-workspace.ts',
        find: 'const saved = await saveTrees(ctx, { ...what, op: claimOperation(job), whole: false });',
        replace: 'const saved: string = typeof saveTrees;',
      },
    ],
    file: 'test/crash/several-repositories.test.ts',
    test: 'an interrupted job of several repositories',
  },
  {
    what: 'starts that died before they were ready are not told',
    edits: [
      {
        file: 'src/server/start-marker.ts',
        find: '...(left.current === null ? [] : [left.current])',
        replace: '',
      },
    ],
    file: 'test/crash/aborted-start.test.ts',
    test: 'two starts die in different phases',
  },
  {
    what: 'a key whose first answer was lost is not recognised',
    edits: [
      {
        file: 'src/store/sqlite/accept.ts',
        find: 'if (input.idempotency === null) return null;',
        replace: "if (input.idempotency?.key !== '') return null;",
      },
    ],
    file: 'src/api/jobs.test.ts',
    test: 'a storage fault before acceptance',
  },
];
