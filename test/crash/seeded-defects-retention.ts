import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into what goes by age. */
export const RETENTION_DEFECTS: readonly SeededDefect[] = [
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
];
