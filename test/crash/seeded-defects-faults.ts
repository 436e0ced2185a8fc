import type { SeededDefect } from './seeded-defect.ts';

const TAMPERED = 'test/crash/tampered-evidence.test.ts';

/** Defects in what a pipeline does when somebody, or something, gets in its way. */
export const FAULT_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a hand-off does not look at the evidence of its gates again',
    edits: [
      {
        file: 'src/attempts/stages/hand-off.ts',
        find: "  await requirePassed(ctx, job);\n  failpoint('stage.before-branch');",
        replace: "  failpoint('stage.before-branch');",
      },
    ],
    file: TAMPERED,
    test: 'evidence changed after the review and before the hand-off',
  },
  {
    what: 'a merge does not look at the evidence of its gates again',
    edits: [
      {
        file: 'src/attempts/stages/merge.ts',
        find: '  await requirePassed(ctx, job);\n  const outcome',
        replace: '  const outcome',
      },
    ],
    file: TAMPERED,
    test: 'evidence of a gate changed between the two steps of a merge',
  },
  {
    what: 'a workspace nothing can be taken from is deleted when its job is sent back',
    edits: [
      {
        file: 'src/attempts/set-workspace-aside.ts',
        find: '    await renameDurable(workspaceDir, join(kept, aside.name));\n',
        replace: '',
      },
    ],
    file: 'test/crash/pipeline-faults.test.ts',
    test: 'of a deleted .git the files are kept',
  },
  {
    what: 'a workspace that was set aside and not recorded counts as one that was lost',
    edits: [
      {
        file: 'src/attempts/set-workspace-aside.ts',
        find: '  if (await isMoved(ctx, reopened)) return recordMove(ctx, job);\n',
        replace: '',
      },
    ],
    file: 'test/crash/failpoint-sweep.test.ts',
    test: 'killed at workspace.after-aside',
  },
  {
    what: 'a new workspace begins at the base, whatever was taken before',
    edits: [
      {
        file: 'src/attempts/ready-workspace.ts',
        find: 'const taken = step.aside === undefined ? null :',
        replace: 'const taken = step.aside !== undefined ? null :',
      },
    ],
    file: 'test/crash/pipeline-faults.test.ts',
    test: 'a retry of it begins anew as well',
  },
  {
    what: 'a push is given up at the first connection that is cut',
    edits: [
      {
        file: 'src/attempts/stages/push-work.ts',
        find: '= [1000, 5000];',
        replace: '= [];',
      },
    ],
    file: 'test/crash/push-faults.test.ts',
    test: 'a push that failed on its way',
  },
  {
    what: 'of the commits of a job the oldest counts as its work',
    edits: [
      {
        file: 'src/workspace/saved-trees.ts',
        find: 'toSorted((a, b) => b.attempt - a.attempt || ',
        replace: 'toSorted((a, b) => a.attempt - b.attempt || ',
      },
    ],
    file: 'test/crash/restored-pipeline.test.ts',
    test: 'evidence and work of pipelines come back',
  },
  {
    what: 'the update of a mirror takes the lock of a git that deletes refs of a job',
    edits: [
      {
        file: 'src/workspace/packed-refs.ts',
        find: '  return turns.run(mirrorDir, body);',
        replace: "  return mirrorDir === '' ? turns.run(mirrorDir, body) : body();",
      },
    ],
    file: 'src/workspace/mirror.test.ts',
    test: 'takes no lock from one of ours',
  },
];
