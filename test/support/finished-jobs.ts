/** A home with a past: finished jobs with everything they leave, made through the store, without running anything. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RUN_FILES, decodeRecord, encodeRecord } from '../../src/keeper/protocol.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import { DEFAULT_LIMITS } from '../../src/lifecycle/job.ts';
import type { Home } from '../../src/lifecycle/home.ts';
import type { Job } from '../../src/lifecycle/job.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../src/store/store.ts';
import { newJob } from '../../src/store/conformance/fixtures.ts';

const AT_ONCE = 256;
const ACTOR = 'attempts';
const STDERR = 'a warning\n';

/** Adds `count` completed jobs of `repository` to the home, which no server holds; returns them in their order. */
export async function addFinishedJobs(home: Home, options: { repository: string; count: number }): Promise<Job[]> {
  const store = openSqliteStore({ path: home.database });
  await store.start();
  const jobs: Job[] = [];
  try {
    for (let from = 0; from < options.count; from += AT_ONCE) {
      const size = Math.min(AT_ONCE, options.count - from);
      const numbers = Array.from({ length: size }, (_, index) => from + index);
      const accepted = await Promise.all(
        numbers.map((n) =>
          store.acceptJob(newJob({ repository: options.repository, prompt: `work ${n}`, agent: 'exec' })),
        ),
      );
      jobs.push(...(await finishAll(home, store, accepted.length)));
    }
  } finally {
    await store.stop();
  }
  return jobs;
}

async function finishAll(home: Home, store: Store, count: number): Promise<Job[]> {
  const claimed: Job[] = [];
  while (claimed.length < count) {
    claimed.push(...(await store.claimJobs({ boot: 'boot_past', hostLimit: 100_000, max: count - claimed.length })));
    if (claimed.length === 0) throw new Error('nothing could be claimed');
    if (claimed.length < count) {
      // The repository's limit: what is claimed must end first.
      const done = await Promise.all(claimed.splice(0).map((job) => finishOne(home, store, job)));
      const rest = await finishAll(home, store, count - done.length);
      return [...done, ...rest];
    }
  }
  return Promise.all(claimed.map((job) => finishOne(home, store, job)));
}

async function finishOne(home: Home, store: Store, job: Job): Promise<Job> {
  const owner = { fence: job.fence, actor: ACTOR };
  const intended = await store.intendAttempt({
    jobId: job.id,
    fence: job.fence,
    mode: 'cold',
    sessionId: null,
    boot: 'boot_past',
  });
  const output = `job ${job.number} worked\n`;
  // Most print nothing there: each file costs the check of history its time.
  const stderr = job.number % 10 === 0 ? STDERR : null;
  writeRunDirectory(home.runDirectory(job.id, 1), intended.attempt.id, { output, stderr });
  const hashes = { outputSha256: sha256(output), stderrSha256: stderr === null ? null : sha256(stderr) };
  const end = { exitCode: 0, outputBytes: output.length };
  const settled = await store.settleAttempt(
    { id: intended.attempt.id, transition: 'finish', set: { ...end, ...hashes, verdict: 'FINISHED' }, ...owner },
    { id: job.id, transition: 'complete', set: end, ...owner },
  );
  return settled.job;
}

/** What a keeper leaves of an attempt that printed `output` and ended with 0. */
function writeRunDirectory(
  runDir: string,
  attempt: string,
  { output, stderr }: { output: string; stderr: string | null },
): void {
  const stderrBytes = stderr?.length ?? 0;
  mkdirSync(runDir, { recursive: true });
  const write = (name: keyof typeof RUN_FILES, text: string): void =>
    writeFileSync(join(runDir, RUN_FILES[name]), text);
  const process = { pid: 4711, start: '1' };
  const limits = DEFAULT_LIMITS;
  const spec = { host: 'host_past', argv: ['true'], cwd: '/', env: {}, secrets: false, limits, mergeStderr: false };
  const told = { agentEngine: 'exec', sessionId: null, graceMs: 1000 };
  write('spec', encodeRecord(attempt, { ...spec, ...told }));
  const host = { host: 'host_past', boot: 'kernel_past', pidns: 'pid:[1]', init: '1' };
  const claim = encodeRecord(attempt, { ...host, ...process, at: 1, tombstone: false });
  const { sum } = decodeRecord(attempt, claim);
  write('claim', claim);
  write('agent', encodeRecord(attempt, { ...process, cgroup: null, claim: sum }));
  write('limits', encodeRecord(attempt, { wallMs: limits.wallMs, idleMs: limits.idleMs, at: 2 }));
  const beat = { lastHeartbeat: 3, pid: 4711, startTime: '1', bootId: 'kernel_past', sessionId: null };
  const counts = { agentEngine: 'exec', outputBytes: output.length, stderrBytes, keeperPid: 4710 };
  write('sentinel', encodeRecord(attempt, { ...beat, ...counts }));
  write('output', output);
  if (stderr !== null) write('stderr', stderr);
  const ended = { started: true, code: 0, signal: null, execErrno: null, stoppedBy: null, reason: null, at: 4 };
  write('exit', encodeRecord(attempt, { ...ended, bytesOut: output.length, bytesErr: stderrBytes, claim: sum }));
}
