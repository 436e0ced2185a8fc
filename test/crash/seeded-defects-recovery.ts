import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into the checks of records and objects, the look for orphans, resources, and the batch API. */
export const RECOVERY_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'a job that waited over a start is claimed unseen',
    edits: [
      {
        file: 'src/store/sqlite/claim.ts',
        find: 'return record.number > inheritedThrough ? [] : verifyJob(sql, record.id);',
        replace: 'return record.number > 0 || inheritedThrough < 0 ? [] : verifyJob(sql, record.id);',
      },
    ],
    file: 'src/store/sqlite/claim-damaged.test.ts',
    test: 'a claim',
  },
  {
    what: 'the prompt of a waiting job is not verified',
    edits: [
      {
        file: 'src/store/sqlite/verify-job.ts',
        find: 'return [...faults, ...verifyPromptOf(sql, id)];',
        replace: 'return faults;',
      },
    ],
    file: 'src/store/sqlite/claim-damaged.test.ts',
    test: 'a claim',
  },
  {
    what: 'a damaged row leaves the count of its line as it was',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: "if (transition === 'quarantine' && job.record.state === 'queued') session.counters.recountWaiting();",
        replace: '',
      },
    ],
    file: 'src/store/sqlite/claim-damaged.test.ts',
    test: 'a claim',
  },
  {
    what: 'a damaged job that waits for nobody is only listed',
    edits: [
      {
        file: 'src/recovery/scrub.ts',
        find: 'if (part.found.length > 0) await options.setAside(part.found);',
        replace: '',
      },
    ],
    file: 'test/crash/damaged-row.test.ts',
    test: 'waiting jobs with a damaged row',
  },
  {
    what: 'two damaged records of thirty raise the alarm',
    edits: [
      {
        file: 'src/lifecycle/corruption-alert.ts',
        find: 'corrupt >= ALERT_AT_LEAST && rate',
        replace: 'corrupt >= ALERT_AT_LEAST - 3 && rate',
      },
    ],
    file: 'src/lifecycle/corruption-alert.test.ts',
    test: 'an alarm takes',
  },
  {
    what: 'the alarm is told with every report that holds it',
    edits: [
      {
        file: 'src/store/sqlite/boots.ts',
        find: 'changes.report?.corruption.alert === true && record.report?.corruption.alert !== true',
        replace: 'changes.report?.corruption.alert === true && record.id.length > 0',
      },
    ],
    file: 'src/recovery/scrub.test.ts',
    test: 'widespread damage is told once',
  },
  {
    what: 'missing objects of a workspace are not looked for',
    edits: [
      {
        file: 'src/workspace/check-objects.ts',
        find: 'head === null ? [baseCommit] : [baseCommit, head]',
        replace: 'head === null ? [] : []',
      },
    ],
    file: 'src/workspace/check-objects.test.ts',
    test: 'the objects of a mirror and of a workspace',
  },
  {
    what: 'doctor --deep looks at a home while a server has it',
    edits: [
      {
        file: 'src/server/check-closed-home.ts',
        find: "if (!isError(error, 'home-held')) throw error;",
        replace: "if (isError(error, 'home-held')) return { release: () => undefined };",
      },
    ],
    file: 'test/e2e/doctor-deep.test.ts',
    test: 'doctor --deep looks at a home',
  },
  {
    what: 'a lock is an orphan whoever lives of its holder',
    edits: [
      {
        file: 'src/recovery/orphans/scan.ts',
        find: 'const alive = isAlive(lock.holder) || children',
        replace: 'const alive = children',
      },
    ],
    file: 'src/recovery/orphans/planted.test.ts',
    test: 'a lock of an earlier start',
  },
  {
    what: 'a repository directory nobody removed counts as ours',
    edits: [
      {
        file: 'src/recovery/orphans/find-in-repositories.ts',
        find: 'const ours = removed.has(name) && stat.isDirectory();',
        replace: 'const ours = (removed.has(name) || name.length > 0) && stat.isDirectory();',
      },
    ],
    file: 'src/recovery/orphans/planted.test.ts',
    test: 'the directory of a repository',
  },
  {
    what: 'a keeper of another home counts as ours',
    edits: [
      {
        file: 'src/recovery/orphans/find-in-jobs.ts',
        find: 'const ours = owner !== null && owner.host === ctx.host;',
        replace: 'const ours = owner !== null && ctx.host.length > 0;',
      },
    ],
    file: 'src/recovery/orphans/planted.test.ts',
    test: 'a keeper without a row',
  },
  {
    what: 'a resource that is only due counts as one that could not be removed',
    edits: [
      {
        file: 'src/recovery/orphans/scan.ts',
        find: "if (resource.state !== 'failed') continue;",
        replace: '',
      },
    ],
    file: 'src/recovery/orphans/planted.test.ts',
    test: 'a resource whose removal failed',
  },
  {
    what: 'a registered process is killed unasked',
    edits: [
      {
        file: 'src/keeper/registered-process.ts',
        find: "signalProcess(what, 'SIGTERM');",
        replace: "signalProcess(what, 'SIGKILL');",
      },
    ],
    file: 'src/keeper/registered-process.test.ts',
    test: 'it is asked first',
  },
  {
    what: 'the batch API cuts a character in two',
    edits: [
      {
        file: 'src/api/batch/read-output.ts',
        find: 'const isCut = size > bytes.length || !isTerminal(job.state);',
        replace: 'const isCut = size < bytes.length;',
      },
    ],
    file: 'src/api/batch/jobs.test.ts',
    test: 'output beyond the limit',
  },
  {
    what: 'the second page of the queue of the batch API begins anew',
    edits: [
      {
        file: 'src/api/batch/list-jobs.ts',
        find: 'const shown = all.slice(from, from + limit);',
        replace: 'const shown = all.slice(0, limit);',
      },
    ],
    file: 'src/api/batch/jobs.test.ts',
    test: 'the queue is paged too',
  },
  {
    what: 'a damaged HEAD of a mirror is left as it is',
    edits: [
      {
        file: 'src/recovery/mend-mirrors.ts',
        find: 'const why = await mendMirrorHead(mirrorDir, base);',
        replace: "const why: string | null = mirrorDir === base ? '' : null;\n      void mendMirrorHead;",
      },
    ],
    file: 'test/e2e/doctor-deep.test.ts',
    test: 'doctor --deep looks at a home',
  },
];
