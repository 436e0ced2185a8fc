import type { SeededDefect } from './seeded-defect.ts';

const APPLY = 'src/workspace/apply-patch.ts';
const PUSH = 'src/workspace/push-branch.ts';

/** Defects of how work reaches its operator. */
export const OPERATOR_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a patch is applied over work that is in no commit',
    edits: [{ file: APPLY, find: '  await requireClean(git, local.top);\n', replace: '' }],
    file: 'src/workspace/apply-patch.test.ts',
    test: 'changes nothing for a changed file',
  },
  {
    what: 'filters are run over what an agent wrote',
    edits: [
      {
        file: APPLY,
        find: '  return (args, more) => safeGit({ profile, args, config, signal, ...more });',
        replace: '  return (args, more) => safeGit({ profile, args, signal, ...more });',
      },
    ],
    file: 'src/workspace/apply-patch.test.ts',
    test: 'runs no hook and no filter',
  },
  {
    what: 'any branch is pushed to, the base as well',
    edits: [
      {
        file: PUSH,
        find: '  const isOurs = /^holdfast\\/\\d+-/.test(branch) && isBranchName(branch);\n  if (!isOurs || branch === base)',
        replace: '  const isOurs = isBranchName(branch) || base === branch;\n  if (!isOurs)',
      },
    ],
    file: 'src/workspace/push-branch.test.ts',
    test: 'touches no base branch',
  },
  {
    what: 'a branch that is there is overwritten by a push',
    edits: [
      { file: PUSH, find: '  if (!goesOn) return refused', replace: '  if (!goesOn && at === commit) return refused' },
    ],
    file: 'src/workspace/push-branch.test.ts',
    test: 'goes on from what it pushed before',
  },
];
