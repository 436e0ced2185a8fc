import type { SeededDefect } from './seeded-defect.ts';

const FILE = 'test/crash/proof.test.ts';
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
