import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into what goes by age. */
export const RETENTION_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'what was committed on a branch that was left goes with the workspace',
    edits: [
      {
        file: 'src/attempts/save-trees.ts',
        find: '    await saveStrays(ctx, {',
        replace: "    if (job.id === '') await saveStrays(ctx, {",
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'only what has ended goes',
  },
  {
    what: 'a workspace goes by age without its tree being saved',
    edits: [
      {
        file: 'src/recovery/retention/retire-workspace.ts',
        find: "if (job.workspaceState === 'ready') await saveAll(ctx, job, op);",
        replace: '',
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'a server killed after it said that a workspace goes',
  },
  {
    what: 'a retry after its workspace went by age begins anew',
    edits: [
      {
        file: 'src/attempts/ready-workspace.ts',
        find: 'const restores = job.workspaceRemovedAt !== null &&',
        replace: "const restores = job.id === '' &&",
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'a server killed after it said that a workspace goes',
  },
  {
    what: 'a workspace goes by age although it cannot be saved whole',
    edits: [
      {
        file: 'src/recovery/retention/retire-workspace.ts',
        find: 'op, whole: true',
        replace: 'op, whole: false',
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'only what has ended goes',
  },
  {
    what: 'a clock that jumps ahead is believed',
    edits: [
      {
        file: 'src/lifecycle/retention.ts',
        find: 'unseenMs > BELIEVED_GAP_MS ? unseenMs - BELIEVED_GAP_MS : Math.min(0, unseenMs)',
        replace: 'Math.min(0, unseenMs)',
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'a clock a year ahead or behind',
  },
  {
    what: 'what is being sent for a job is removed however young it is',
    edits: [
      {
        file: 'src/recovery/orphans/find-staged.ts',
        find: 'if (stat === null || ageOf(look, stat) < STAGING_AGE_MS) continue;',
        replace: 'if (stat === null) continue;',
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'what was sent and never recorded goes after a day',
  },
  {
    what: 'retention removes the workspace of a running job',
    edits: [
      {
        file: 'src/store/sqlite/retention.ts',
        find: 'WHERE finished_at IS NOT NULL ${which} AND finished_at < $1',
        replace: 'WHERE TRUE ${which} AND coalesce(finished_at, 0) < $1',
      },
      {
        file: 'src/store/sqlite/retention.ts',
        find: 'AND (finished_at, number) > ($2, $3) ORDER BY finished_at, number',
        replace: 'AND (coalesce(finished_at, 0), number) > ($2, $3) ORDER BY coalesce(finished_at, 0), number',
      },
      {
        file: 'src/store/sqlite/retention.ts',
        find: 'if (isTerminal(state) && finishedAt === expected) return;',
        replace: 'if (finishedAt === expected || !isTerminal(state)) return;',
      },
      {
        file: 'src/store/sqlite/retention.ts',
        find: "guard: ' AND finished_at IS NOT NULL'",
        replace: "guard: ''",
      },
      {
        file: 'src/recovery/retention/retire-workspace.ts',
        find: 'if (job === null || !isTerminal(job.state) || job.finishedAt === null) return false;',
        replace: 'if (job === null || isTerminal(job.state)) return false;',
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'only what has ended goes',
  },
  {
    what: 'a job of several repositories goes by age with only the first of them saved',
    edits: [
      {
        file: 'src/attempts/save-trees.ts',
        find: '  for (const part of parts) {\n    const parent',
        replace: '  for (const part of parts.slice(0, 1)) {\n    const parent',
      },
    ],
    file: 'test/crash/retention.test.ts',
    test: 'a workspace of several repositories',
  },
  {
    what: 'what was sent and never recorded is looked for at a start only',
    edits: [
      {
        file: 'src/recovery/retention/retention-keeper.ts',
        find: '    await this.#sweepStaging(now);\n',
        replace: '',
      },
    ],
    file: 'src/recovery/retention/retention-keeper.test.ts',
    test: 'what was sent and never recorded goes once a day',
  },
];
