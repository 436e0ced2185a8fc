import type { SeededDefect } from './seeded-defect.ts';

/** Defects put into the store, the API, the command line and the server. */
export const SERVER_DEFECTS: readonly SeededDefect[] = [
  {
    what: 'the output is served from its second byte on',
    edits: [
      {
        file: 'src/api/routes/output.ts',
        find: "const { start, end } = range === 'whole' ? { start: 0, end: size - 1 } : range;",
        replace: "const { start, end } = range === 'whole' ? { start: 1, end: size - 1 } : range;",
      },
    ],
    file: 'test/crash/kill-between-lines.test.ts',
    test: 'an agent of 20 lines',
  },
  {
    what: 'the newest job is claimed first',
    edits: [
      {
        file: 'src/store/sqlite/claim.ts',
        find: 'ORDER BY priority DESC, queue_seq LIMIT',
        replace: 'ORDER BY priority DESC, queue_seq DESC LIMIT',
      },
    ],
    file: 'test/crash/queue-order.test.ts',
    test: 'eight jobs wait',
  },
  {
    what: 'the limit of a host is not counted',
    edits: [
      {
        file: 'src/store/sqlite/claim.ts',
        find: 'Math.min(claim.max, claim.hostLimit - active)',
        replace: 'Math.min(claim.max, claim.hostLimit)',
      },
    ],
    file: 'test/crash/queue-order.test.ts',
    test: 'eight jobs wait',
  },
  {
    what: 'a job that is put back goes to the end of the queue',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: "if (transition === 'start' || transition === 'enqueue')",
        replace: "if (transition === 'start' || transition === 'enqueue' || transition === 'requeue')",
      },
    ],
    file: 'test/crash/claimed-not-spawned.test.ts',
    test: 'killed at attempt.after-workspace',
  },
  {
    what: 'a job at work is recorded as cancelled at once',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: 'if (!isActive(job.record.state)) {',
        replace: 'if (job.record.state.length > 0) {',
      },
      {
        file: 'src/store/sqlite/write-job.ts',
        find: 'const states = fence === null ? from.filter((state) => !isActive(state)) : from;',
        replace: 'const states = from;',
      },
    ],
    file: 'test/crash/cancel.test.ts',
    test: 'an agent and a tool that ignore SIGTERM',
  },
  {
    what: 'a quarantined job is cancelled without a look at its processes',
    edits: [
      {
        file: 'src/server/services.ts',
        find: "if (job.state === 'quarantined') await endLeftovers(ctx, job.id);",
        replace: '',
      },
    ],
    file: 'test/crash/cancel.test.ts',
    test: 'a quarantined job is cancelled only',
  },
  {
    what: 'an operator retry opens no epoch',
    edits: [
      {
        file: 'src/store/sqlite/job-moves.ts',
        find: 'epoch: job.epoch + 1,',
        replace: '',
      },
    ],
    file: 'test/crash/cancel.test.ts',
    test: 'held and queued jobs',
  },
  {
    what: 'the lock of a home is shared',
    edits: [
      {
        file: 'src/store/sqlite/home-lock.ts',
        find: "database.exec('BEGIN EXCLUSIVE');",
        replace: "database.exec('BEGIN');",
      },
    ],
    file: 'test/crash/races.test.ts',
    test: 'two processes race',
  },
  {
    what: 'two servers work on one home',
    edits: [
      {
        file: 'src/server/home-guard.ts',
        find: 'if (lock !== null) return lock;',
        replace: 'return lock ?? { release: () => undefined };',
      },
    ],
    file: 'test/crash/races.test.ts',
    test: 'two servers race',
  },
  {
    what: 'whoever wrote server.json last is named as the holder',
    edits: [
      {
        file: 'src/server/home-guard.ts',
        find: 'if (named !== null && isAlive(named)) return named;',
        replace: 'if (named !== null) return named;',
      },
    ],
    file: 'test/crash/races.test.ts',
    test: 'a server that is dead is not named',
  },
  {
    what: 'a reader that comes back begins anew',
    edits: [
      {
        file: 'src/api/contract/stream-position.ts',
        find: 'offset: Number(match[2])',
        replace: 'offset: 0',
      },
    ],
    file: 'test/crash/stream-through-restarts.test.ts',
    test: 'streams and logs -f',
  },
  {
    what: 'a database that is gone is made anew',
    edits: [
      {
        file: 'src/store/sqlite/open.ts',
        find: 'if (seq > 0) throw',
        replace: 'if (seq > 1e9) throw',
      },
    ],
    file: 'test/crash/bad-inputs.test.ts',
    test: 'a database that is gone',
  },
  {
    what: 'the witness is not compared',
    edits: [
      {
        file: 'src/store/sqlite/witness.ts',
        find: 'if (mark.seq > last.seq) {',
        replace: 'if (mark.seq > last.seq) continue;\n    if (mark.seq > last.seq) {',
      },
    ],
    file: 'test/crash/bad-inputs.test.ts',
    test: 'writes that the log has lost',
  },
  {
    what: 'a full disk counts as a broken one',
    edits: [
      {
        file: 'src/store/sqlite/sql.ts',
        find: "if (code === PRIMARY.FULL) return 'full';",
        replace: "if (code === PRIMARY.FULL) return 'io';",
      },
    ],
    file: 'test/crash/full-disk.test.ts',
    test: 'a full disk',
  },
  {
    what: 'a staged file is handed on whatever became of it',
    edits: [
      {
        file: 'src/workspace/staging.ts',
        find: 'if (written.sha256 !== file.sha256 || written.size !== file.size) {',
        replace: 'if (written.size !== file.size) {',
      },
    ],
    file: 'test/crash/uploads.test.ts',
    test: 'a staged file that was changed',
  },
  {
    what: 'a new version of an upload takes the place of the recorded one',
    edits: [
      {
        file: 'src/workspace/staging.ts',
        find: 'const directory = join(stagingDir, received.sha256);',
        replace: "const directory = join(stagingDir, '0'.repeat(64));",
      },
      {
        file: 'src/workspace/staging.ts',
        find: 'basename(stagingDir), file.sha256, file.name]',
        replace: "basename(stagingDir), '0'.repeat(64), file.name]",
      },
    ],
    file: 'test/crash/uploads.test.ts',
    test: 'killed after a second version has its place',
  },
  {
    what: 'the saved trees of a removed job stay in the mirror',
    edits: [
      {
        file: 'src/workspace/saved-trees.ts',
        find: 'if (saved.length > 0) {',
        replace: 'if (saved.length > 1000) {',
      },
    ],
    file: 'test/crash/removal.test.ts',
    test: 'killed at removal.before-refs',
  },
  {
    what: 'another request under a key gets what the first one made',
    edits: [
      {
        file: 'src/store/sqlite/requests.ts',
        find: 'if (first.request?.sha256 === request.sha256) return first;',
        replace: 'if (first.request !== null) return first;',
      },
    ],
    file: 'src/api/idempotency.test.ts',
    test: 'a resource is registered once',
  },
];
