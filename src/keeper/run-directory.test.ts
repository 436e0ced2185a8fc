import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { Trial } from './conformance/trial.ts';
import { RUN_FILES, encodeRecord } from './protocol.ts';
import { readClaim, readExit, readLimits, readRecord, readSpec, sealAttempt } from './run-directory.ts';

const KEEPER: string[] = [];

test('the specification reads back as it was written, with the token, and secrets lie apart', async () => {
  await using trial = new Trial(KEEPER);
  await trial.prepare('exit 0', { env: { A: '1', HOLDFAST_ATTEMPT: 'forged' } }, { KEY: 'hidden' });
  const found = await readSpec(trial.runDir, trial.attempt);
  assert.ok(found.kind === 'ok');
  assert.deepEqual(found.record.env, { A: '1', HOLDFAST_ATTEMPT: trial.attempt });
  assert.equal(found.record.secrets, true);
  assert.ok(!trial.text('spec.json').includes('hidden'));
  assert.equal(statSync(join(trial.runDir, RUN_FILES.secrets)).mode & 0o777, 0o600);
  assert.equal(statSync(trial.runDir).mode & 0o777, 0o700);
});

test('what no process can be given is refused before anything is written', async () => {
  const wrong = [{ argv: [] }, { argv: [''] }, { argv: ['a\0b'] }, { env: { 'a.b': '1' } }, { env: { A: '\0' } }];
  for (const change of wrong) {
    await using trial = new Trial(KEEPER);
    await assert.rejects(trial.prepare('', change), (error) => isError(error, 'bad-request'));
    assert.ok(!existsSync(trial.runDir));
  }
});

test('a seal wins where nothing was claimed, also without a run directory, and again', async () => {
  await using trial = new Trial(KEEPER);
  const seal = { runDir: trial.runDir, attemptId: trial.attempt, host: 'host_x' };
  assert.equal(await sealAttempt(seal), 'sealed');
  assert.equal(await sealAttempt(seal), 'sealed');
  assert.equal((await trial.verdict()).kind, 'SEALED');
});

test('a seal takes the secrets along', async () => {
  await using trial = new Trial(KEEPER);
  await trial.prepare('', {}, { KEY: 'hidden' });
  await sealAttempt({ runDir: trial.runDir, attemptId: trial.attempt, host: 'host_x' });
  assert.ok(!existsSync(join(trial.runDir, RUN_FILES.secrets)));
});

test('a seal never replaces a claim, not even a damaged one', async () => {
  await using trial = new Trial(KEEPER);
  await trial.prepare('');
  const path = join(trial.runDir, RUN_FILES.claim);
  writeFileSync(path, '{"half');
  assert.equal(await sealAttempt({ runDir: trial.runDir, attemptId: trial.attempt, host: 'host_x' }), 'claimed');
  assert.equal(readFileSync(path, 'utf8'), '{"half');
});

test('absent, sound and damaged are told apart', async () => {
  await using trial = new Trial(KEEPER);
  const { runDir, attempt } = trial;
  assert.equal((await readExit(runDir, attempt)).kind, 'absent');
  mkdirSync(runDir);
  const path = join(runDir, 'record');
  const read = (): Promise<string> =>
    readRecord(path, attempt).then((found) => ('why' in found ? found.why : found.kind));
  const sound = encodeRecord(attempt, { a: 1 });
  writeFileSync(path, sound);
  assert.equal(await read(), 'ok');
  for (const [text, why] of [
    ['', /not complete/],
    [sound.slice(0, -5), /not complete/],
    [sound.replace('"a":1', '"a":2'), /sum/],
    ['null', /not a record/],
    [encodeRecord('att_other', { a: 1 }), /belongs to attempt att_other/],
    [encodeRecord(attempt, { a: 1, v: 2 }), /unknown version 2/],
  ] as const) {
    writeFileSync(path, text);
    assert.match(await read(), why);
  }
});

test('a record that cannot be read is damaged, not absent', async () => {
  await using trial = new Trial(KEEPER);
  mkdirSync(join(trial.runDir, RUN_FILES.claim), { recursive: true });
  assert.equal((await readClaim(trial.runDir, trial.attempt)).kind, 'bad');
  const loop = join(trial.runDir, RUN_FILES.limits);
  symlinkSync(loop, loop);
  assert.equal((await readLimits(trial.runDir, trial.attempt)).kind, 'bad');
});
