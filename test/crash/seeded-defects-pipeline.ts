import type { SeededDefect } from './seeded-defect.ts';

const FILE = 'test/crash/proof.test.ts';
const FAULTS = 'test/crash/pipeline-faults.test.ts';
const MERGES = 'test/crash/merge-faults.test.ts';
const REMOTE = 'test/crash/merge-remote.test.ts';
const TEST = 'every line of the proof is held';
const CONCLUDE = 'src/attempts/stages/conclude-stage.ts';

/** Defects of the pipeline, each found by `holdfast proof`. */
export const PIPELINE_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a gate that fails passes',
    edits: [
      {
        file: CONCLUDE,
        find: "    case 'time_out':\n      return 'FAIL';",
        replace: "    case 'time_out':\n      return 'PASS';",
      },
    ],
    file: FILE,
    test: TEST,
  },
  {
    what: 'evidence is recorded and not kept',
    edits: [
      {
        file: 'src/attempts/stages/evidence-files.ts',
        find: '  if (!(await createDurable(join(directory, hash), bytes))) {',
        replace: '  if (bytes.length < 0 && !(await createDurable(join(directory, hash), bytes))) {',
      },
    ],
    file: FILE,
    test: TEST,
  },
  {
    what: 'what a reviewer wrote into the workspace becomes the work of the next agent',
    edits: [
      {
        file: 'src/attempts/ready-workspace.ts',
        find: '  if (last === null || isWork(last.stage)) return;',
        replace: "  if (last?.stage !== 'verify') return;",
      },
    ],
    file: FAULTS,
    test: 'a reviewer that edits files',
  },
  {
    what: 'commits on a branch that was left are no work',
    edits: [
      {
        file: 'src/workspace/harvest.ts',
        find: '    if (stray === undefined) return {',
        replace: '    if (stray !== null) return {',
      },
    ],
    file: FAULTS,
    test: 'work on a branch that was left',
  },
  {
    what: 'a merge brings back what was dropped from a base by force',
    edits: [
      {
        file: 'src/workspace/merge-candidate.ts',
        find: '  const rewritten = !(await isIn(begunAt, base));',
        replace: "  const rewritten = begunAt === '';",
      },
    ],
    file: MERGES,
    test: 'a base that was force-pushed',
  },
  {
    what: 'a merge that was carried out and not recorded is taken for one of somebody else',
    edits: [
      {
        file: 'src/workspace/advance-base.ts',
        find: '  if (at === to) return finish(checkout);',
        replace: "  if (at === to) return { kind: 'moved', at };",
      },
    ],
    file: MERGES,
    test: 'three kills during one merge',
  },
  {
    what: 'a merge from which others went on at the remote is taken for one that never was',
    edits: [
      {
        file: 'src/attempts/stages/merge.ts',
        find: "sourceKind === 'url' && (await wentOn(merging, intent))",
        replace: "sourceKind === 'path' && (await wentOn(merging, intent))",
      },
    ],
    file: REMOTE,
    test: 'three kills while others go on',
  },
  {
    what: 'a merge asks a silent remote in circles',
    edits: [
      {
        file: 'src/store/sqlite/claim.ts',
        find: "return job.stage === 'merge' || (job.queueSeq ?? 0) > through;",
        replace: 'return (job.queueSeq ?? 0) > through;',
      },
    ],
    file: REMOTE,
    test: 'a merge whose remote is silent',
  },
  {
    what: 'a resumed session is not told why it is wanted once more',
    edits: [
      {
        file: 'src/attempts/start-attempt.ts',
        find: "  if (last?.state === 'finished' && instructions !== null)",
        replace: "  if (last?.state === 'quarantined' && instructions !== null)",
      },
    ],
    file: 'test/crash/warm-rounds.test.ts',
    test: 'later rounds go on in the session of the work',
  },
];
