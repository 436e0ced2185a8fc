import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureKeeper } from '../../scripts/build-keeper.ts';
import { Trial } from './conformance/trial.ts';
import { defaultKeeperCommand } from './launch.ts';
import { RUN_FILES, encodeRecord } from './protocol.ts';
import { hashRecordedOutput, verifyRun, type RecordedRun, type RunFault } from './verify-run.ts';

await ensureKeeper();
const KEEPER = defaultKeeperCommand();

async function finish(trial: Trial): Promise<RecordedRun> {
  await trial.start('echo some output; echo trouble >&2; exit 3', { mergeStderr: false });
  await trial.exit();
  const hashes = await hashRecordedOutput(trial.runDir, { output: 12, stderr: 8 });
  return { state: 'finished', verdict: 'FINISHED', exitCode: 3, exitSignal: null, outputBytes: 12, ...hashes };
}

async function faultsOf(trial: Trial, recorded: RecordedRun): Promise<RunFault[]> {
  const { runDir, attempt: attemptId } = trial;
  return (await verifyRun({ runDir, attemptId, recorded, hashUpTo: 1000 })).faults;
}

test('a run directory that is as recorded has no fault, and all of it was looked at', async () => {
  await using trial = new Trial(KEEPER);
  const recorded = await finish(trial);
  const { runDir, attempt: attemptId } = trial;
  assert.ok(recorded.outputSha256 !== null && recorded.stderrSha256 !== null);
  const seen = await verifyRun({ runDir, attemptId, recorded, hashUpTo: 1000 });
  assert.deepEqual(seen.faults, []);
  assert.deepEqual(
    Object.keys(seen.checked)
      .filter((kind) => kind !== 'limits')
      .toSorted(),
    ['agent', 'claim', 'exit', 'output', 'sentinel', 'spec', 'stderr'],
  );
});

test('every damaged or missing file is named', async () => {
  await using trial = new Trial(KEEPER);
  const recorded = await finish(trial);
  for (const kind of ['spec', 'claim', 'agent', 'exit', 'sentinel', 'output', 'stderr'] as const) {
    const path = join(trial.runDir, RUN_FILES[kind]);
    const before = readFileSync(path);
    const flipped = Buffer.from(before);
    flipped.writeUInt8(flipped.readUInt8(5) ^ 1, 5);
    writeFileSync(path, flipped);
    // Nothing else is blamed for it.
    assert.deepEqual(
      (await faultsOf(trial, recorded)).map((one) => [one.kind, one.path]),
      [[kind, path]],
    );
    if (kind !== 'sentinel') {
      rmSync(path);
      assert.deepEqual(
        (await faultsOf(trial, recorded)).map((one) => [one.kind, one.why]),
        [[kind, 'it is missing']],
      );
    }
    writeFileSync(path, before);
  }
  truncateSync(join(trial.runDir, RUN_FILES.output), 5);
  assert.match((await faultsOf(trial, recorded))[0]?.why ?? '', /holds 5 bytes, 12 were recorded/);
  rmSync(trial.runDir, { recursive: true });
  assert.deepEqual(
    (await faultsOf(trial, recorded)).map((one) => one.kind),
    ['run-directory'],
  );
});

test('sound records that say something else than the store are faults; long output is held against its length', async () => {
  await using trial = new Trial(KEEPER);
  const recorded = await finish(trial);
  assert.match(
    (await faultsOf(trial, { ...recorded, exitCode: 0 }))[0]?.why ?? '',
    /exit code 3, the store recorded 0/,
  );
  const path = join(trial.runDir, RUN_FILES.agent);
  writeFileSync(path, encodeRecord(trial.attempt, { pid: 1, start: '1', cgroup: null, claim: 'another' }));
  assert.match((await faultsOf(trial, recorded))[0]?.why ?? '', /another claim/);
  await using other = new Trial(KEEPER);
  const long = await finish(other);
  const wrong = { ...long, outputSha256: 'a'.repeat(64) };
  const { runDir, attempt: attemptId } = other;
  assert.equal((await verifyRun({ runDir, attemptId, recorded: wrong, hashUpTo: 11 })).faults.length, 0);
  assert.equal((await verifyRun({ runDir, attemptId, recorded: wrong, hashUpTo: 12 })).faults.length, 1);
});
