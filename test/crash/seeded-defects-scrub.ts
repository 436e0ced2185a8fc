import type { SeededDefect } from './seeded-defect.ts';

const SCRUB = 'src/recovery/scrub-files.ts';
const KEPT = { file: 'src/recovery/scrub-files.test.ts', test: 'a transcript, a file sent for a job or evidence' };
const DEEP = { file: 'test/e2e/doctor-deep.test.ts', test: 'doctor --deep looks at a home no server serves' };
const STAGES = 'src/recovery/orphans/stages.test.ts';

const USED = { file: 'test/crash/evidence.test.ts' };

/** Defects put into the checks of what lies on the disk, one for each kind that is checked there. */
export const SCRUB_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'transcripts are not held against their hash',
    edits: [
      {
        file: SCRUB,
        find: "    await look('transcript', home.transcript(job.id), { sha256: job.transcriptSha256, bytes: null });",
        replace: '    part.checked.transcript = 1;',
      },
    ],
    ...KEPT,
  },
  {
    what: 'files that were sent are not held against their hash',
    edits: [
      {
        file: SCRUB,
        find: "    await look('upload', join(home.staging(job.id), sha256, name), { sha256, bytes: size });",
        replace: '    part.checked.upload = sha256 === name ? size : 1;',
      },
    ],
    ...KEPT,
  },
  {
    what: 'evidence is not held against its hash',
    edits: [
      {
        file: SCRUB,
        find: "    await look('evidence', join(home.evidence(job.id), sha256), { sha256, bytes });",
        replace: '    part.checked.evidence = sha256 === job.id ? bytes : 1;',
      },
    ],
    ...KEPT,
  },
  {
    what: 'objects of mirrors are not looked at',
    edits: [
      {
        file: SCRUB,
        find: '    return checkMirrorObjects(path, { signal, contents: isSmall });',
        replace: '    return isSmall ? [] : checkMirrorObjects(path, { signal, contents: isSmall });',
      },
    ],
    file: 'src/recovery/scrub-files.test.ts',
    test: 'a damaged object of a mirror is named',
  },
  {
    what: 'the secrets of callbacks are not read by a deep look',
    edits: [
      {
        file: 'src/server/check-home-files.ts',
        find: "  ['callback-secret', (home) => home.callbackSecretFile, inspectSecrets],",
        replace: "  ['callback-secret', (home) => home.hostFile, inspectSecrets],",
      },
      {
        file: 'src/callbacks/secrets.ts',
        find: "    return 'it does not hold the secrets of callbacks';",
        replace: '    return null;',
      },
    ],
    ...DEEP,
  },
  {
    what: 'what retention knows of the clock is not read by a deep look',
    edits: [
      {
        file: 'src/server/check-home-files.ts',
        find: 'async (path) => (await readClockFile(path)).damage]',
        replace: 'async (path) => (await readClockFile(path), null)]',
      },
    ],
    ...DEEP,
  },
  {
    what: 'evidence without a row is taken away while its job can go on',
    edits: [
      {
        file: 'src/recovery/orphans/repair.ts',
        find: '    if (job !== null && !isTerminal(job.state)) throw fail(',
        replace: '    if (job !== null && isTerminal(job.state)) void fail(',
      },
      {
        file: 'src/recovery/orphans/find-in-stages.ts',
        find: "    action: isTerminal(job.state) ? 'remove' : 'none',",
        replace: "    action: 'remove',",
      },
    ],
    file: STAGES,
    test: 'evidence of a job that can go on is left',
  },
  {
    what: 'a file that only has the name of evidence is taken for it',
    edits: [
      {
        file: 'src/recovery/orphans/find-in-stages.ts',
        find: "    return (await hashFile(path)).sha256 === name ? null : 'it is not what its name says';",
        replace: '    return (await hashFile(path)).sha256 === null ? name : null;',
      },
    ],
    file: STAGES,
    test: 'evidence without a row is ours',
  },
  {
    what: 'a gate that was passed counts, whatever became of its evidence',
    edits: [
      {
        file: 'src/attempts/stages/use-evidence.ts',
        find: '  for (const hash of new Set(passed.flatMap(({ evidence }) => evidence))) await useEvidence(ctx, job, hash);\n',
        replace: '',
      },
    ],
    ...USED,
    test: 'evidence changed by a later gate opens nothing',
  },
  {
    what: 'damaged evidence is told to the agent that fixes',
    edits: [
      {
        file: 'src/attempts/stages/evidence-files.ts',
        find: "  if (sha256(bytes) !== hash) throw corrupt('is not what was recorded');\n",
        replace: '',
      },
      {
        file: 'src/attempts/stages/evidence-files.ts',
        find: "  if (bytes === null) throw corrupt('is missing');\n",
        replace: '  if (bytes === null) return Buffer.alloc(0);\n',
      },
      {
        file: 'src/attempts/stages/evidence-files.ts',
        find: '    throw corrupt(`cannot be read: ${messageOf(error)}`, error);',
        replace: '    return Buffer.from(messageOf(corrupt(messageOf(error), error)));',
      },
    ],
    ...USED,
    test: 'the evidence of a failure that was changed',
  },
  {
    what: 'what tests tell of themselves decides a gate',
    edits: [
      {
        file: 'src/attempts/stages/conclude-stage.ts',
        find: '  return {\n    result,\n    why: result ===',
        replace: "  return {\n    result: told?.summary.failed === 0 ? 'PASS' : result,\n    why: result ===",
      },
    ],
    ...USED,
    test: 'what tests told is shown',
  },
  {
    what: 'a report that an agent committed counts for a gate',
    edits: [
      {
        file: 'src/attempts/stages/test-reports.ts',
        find: '      if (stat.ctimeMs < since) continue;\n',
        replace: '      void since;\n',
      },
    ],
    ...USED,
    test: 'what tests told is shown',
  },
  {
    what: 'a link in the place of a verdict is followed',
    edits: [
      {
        file: 'src/keeper/plain-file.ts',
        find: 'constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK',
        replace: 'constants.O_RDONLY | constants.O_NONBLOCK',
      },
    ],
    ...USED,
    test: 'a verdict that is a link, a pipe',
  },
];
