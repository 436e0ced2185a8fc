import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ensureKeeper } from '../../scripts/build-keeper.ts';
import { judge } from '../lifecycle/verdict.ts';
import { Trial, until } from './conformance/trial.ts';
import { gatherEvidence } from './evidence.ts';
import { readHostIdentity, readOwnIdentity, readProcess } from './host-identity.ts';
import { defaultKeeperCommand } from './launch.ts';
import { scanProcesses } from './processes.ts';
import { RUN_FILES, decodeRecord, encodeRecord, type AgentRecord, type Claim, type Spec } from './protocol.ts';

await ensureKeeper();
const KEEPER = defaultKeeperCommand();

async function finished(trial: Trial): Promise<void> {
  await trial.start('echo some output; exit 3', { mergeStderr: false });
  await trial.exit();
}

/** Writes the records of an attempt whose keeper and agent are `keeper` and `agent`, as that keeper would have. */
async function forge(trial: Trial, of: { claim?: Partial<Claim>; agent?: Partial<AgentRecord> | null }): Promise<void> {
  await trial.prepare('exit 0');
  const identity = { ...readHostIdentity(), ...readOwnIdentity() };
  const host = decodeRecord<Spec>(trial.attempt, trial.text(RUN_FILES.spec)).host;
  const claim: Claim = { host, ...identity, at: 1, tombstone: false, ...of.claim };
  const text = encodeRecord(trial.attempt, claim);
  writeFileSync(join(trial.runDir, RUN_FILES.claim), text);
  if (of.agent === null || of.agent === undefined) return;
  const { sum } = decodeRecord(trial.attempt, text);
  const agent: AgentRecord = { ...readOwnIdentity(), cgroup: null, claim: sum, ...of.agent };
  writeFileSync(join(trial.runDir, RUN_FILES.agent), encodeRecord(trial.attempt, agent));
}

test('an attempt that was never launched has no evidence, and nothing is wrong with it', async () => {
  await using trial = new Trial(KEEPER);
  const evidence = await trial.evidence();
  assert.deepEqual([evidence.bad, evidence.claim, evidence.level], [null, 'none', null]);
  assert.deepEqual(evidence.files, []);
  assert.equal((await trial.verdict()).kind, 'NOT_STARTED');
});

test('every record of a finished attempt is evidence, with its hash, and the output when asked', async () => {
  await using trial = new Trial(KEEPER);
  await finished(trial);
  const { files, outputBytes } = await trial.evidence({ deep: true });
  const kinds = files.map((one) => one.kind).toSorted();
  assert.deepEqual(kinds, ['agent', 'claim', 'exit', 'output', 'sentinel', 'spec', 'stderr']);
  for (const { path, sha256 } of files) {
    assert.equal(sha256, createHash('sha256').update(readFileSync(path)).digest('hex'), path);
  }
  assert.equal(outputBytes, 12);
});

for (const name of ['spec', 'claim', 'agent', 'exit'] as const) {
  test(`a flipped bit, a cut or an unreadable ${name} is damage that names the file`, async () => {
    await using trial = new Trial(KEEPER);
    await finished(trial);
    const path = join(trial.runDir, RUN_FILES[name]);
    const sound = readFileSync(path);
    const end = sound.lastIndexOf('}');
    for (let at = 0; at <= end; at += 7) {
      const flipped = Buffer.from(sound);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      writeFileSync(path, flipped);
      const { bad } = await trial.evidence();
      assert.ok(bad?.startsWith(path), `byte ${at}: ${bad}`);
    }
    writeFileSync(path, sound.subarray(0, end));
    assert.ok((await trial.evidence()).bad?.startsWith(path));
    rmSync(path);
    mkdirSync(path);
    assert.ok((await trial.evidence()).bad?.startsWith(path));
    assert.equal((await trial.verdict()).kind, 'QUARANTINE');
  });
}

test('records that are sound alone but not together are damage', async () => {
  await using trial = new Trial(KEEPER);
  await finished(trial);
  const claimPath = join(trial.runDir, RUN_FILES.claim);
  const claim = readFileSync(claimPath, 'utf8');
  const { sum: _sum, ...body } = decodeRecord<Claim>(trial.attempt, claim);
  writeFileSync(claimPath, encodeRecord(trial.attempt, { ...body, at: 1 }));
  assert.match((await trial.evidence()).bad ?? '', /another claim/);
  writeFileSync(claimPath, encodeRecord(trial.attempt, { ...body, tombstone: true }));
  assert.match((await trial.evidence()).bad ?? '', /sealed/);
  rmSync(claimPath);
  assert.match((await trial.evidence()).bad ?? '', /no claim/);
  writeFileSync(claimPath, claim);
  rmSync(join(trial.runDir, RUN_FILES.agent));
  assert.match((await trial.evidence()).bad ?? '', /agent.json is missing/);
});

test('output shorter than the exit record vouches for is damage, more than it is not', async () => {
  await using trial = new Trial(KEEPER);
  await finished(trial);
  const output = join(trial.runDir, RUN_FILES.output);
  writeFileSync(output, 'some output\nand more\n');
  assert.equal((await trial.evidence()).bad, null);
  truncateSync(output, 11);
  assert.match((await trial.evidence()).bad ?? '', /vouches for 12 bytes of output, there are 11/);
});

test('what an agent puts in the place of a file is damage, never followed and never waited for', async () => {
  await using trial = new Trial(KEEPER);
  await finished(trial);
  const secret = join(trial.folder, 'secret');
  writeFileSync(secret, 'x'.repeat(100));
  const swaps = {
    'a link': (path: string) => symlinkSync(secret, path),
    'a hard link': (path: string) => linkSync(secret, path),
    'a pipe': (path: string) => execFileSync('mkfifo', [path]),
    'a directory': (path: string) => mkdirSync(path),
  };
  for (const name of ['output', 'stderr', 'exit', 'claim', 'spec'] as const) {
    const path = join(trial.runDir, RUN_FILES[name]);
    for (const [kind, swap] of Object.entries(swaps)) {
      renameSync(path, `${path}.kept`);
      swap(path);
      const { bad } = await trial.evidence({ deep: true });
      assert.ok(bad?.startsWith(path), `${kind} as ${name}: ${bad}`);
      rmSync(path, { recursive: true });
      renameSync(`${path}.kept`, path);
    }
  }
  assert.equal((await trial.evidence()).bad, null);
});

test('reused pids are neither keeper nor agent', async () => {
  await using trial = new Trial(KEEPER);
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  after(() => child.kill('SIGKILL'));
  const stranger = readProcess(child.pid ?? 0);
  assert.ok(stranger !== null);
  const reused = { pid: stranger.pid, start: String(Number(stranger.start) - 1) };
  await forge(trial, { claim: reused, agent: reused });
  const evidence = await trial.evidence();
  assert.deepEqual([evidence.keeperAlive, evidence.agentAlive, evidence.strays], [false, false, []]);
  assert.equal((await trial.verdict()).kind, 'INTERRUPTED');
});

test('identities of another boot, host or namespace are not looked for here', async () => {
  for (const [change, kind] of [
    [{ boot: 'other' }, 'INTERRUPTED'],
    [{ host: 'other' }, 'FOREIGN'],
    [{ pidns: 'pid:[1]' }, 'INTERRUPTED'],
    [{ init: '1' }, 'INTERRUPTED'],
  ] as const) {
    await using trial = new Trial(KEEPER);
    await forge(trial, { claim: change, agent: {} });
    const evidence = await trial.evidence();
    assert.deepEqual([evidence.keeperAlive, evidence.agentAlive], [false, false]);
    assert.equal((await trial.verdict()).kind, kind, JSON.stringify(change));
  }
});

test('a keeper of another namespace or boot that answers is set aside, never replaced', async () => {
  await using trial = new Trial(KEEPER);
  await trial.start('exec sleep 60');
  (await trial.connect()).close();
  const here = readHostIdentity();
  const beside = await trial.evidence({ identity: { ...here, pidns: 'pid:[1]' } });
  assert.equal(beside.foreignKeeperAnswers, true);
  for (const identity of [
    { ...here, pidns: 'pid:[1]' },
    { ...here, boot: 'other' },
  ]) {
    const evidence = await trial.evidence({ identity });
    assert.equal(judge({ ...evidence, finalResult: false, lookedTwice: true }).kind, 'QUARANTINE');
  }
});

test('a scan older than the exit record is repeated: a tool it could not show is still a stray', async () => {
  await using trial = new Trial(KEEPER);
  await trial.prepare('setsid sleep 60 & exit 0');
  const scan = scanProcesses();
  await trial.launch('keeper.after-exit-record:crash');
  await trial.keeperDead();
  const { runDir, attempt } = trial;
  const { host } = decodeRecord<Spec>(attempt, trial.text(RUN_FILES.spec));
  const evidence = await gatherEvidence({ runDir, attemptId: attempt, host, identity: readHostIdentity(), scan });
  assert.equal(evidence.straysAlive, true);
});

test('a process of a wiped environment that came after the agent is named', async () => {
  await using trial = new Trial(KEEPER);
  await trial.start('env -i setsid sleep 60 & wait');
  const evidence = await until('it is seen', async () => {
    const found = await trial.evidence();
    return found.perhaps.length > 0 ? found : null;
  });
  assert.ok(evidence.perhaps.every((one) => one.pid !== evidence.agent?.pid && one.pid !== evidence.keeper?.pid));
});
