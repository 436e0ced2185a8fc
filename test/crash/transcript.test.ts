/**
 * What the agents of a job said and did is the same after a crash at any point as of a run without one, is recorded with
 * the end of the job, and is never shown when it is not what was recorded.
 */
import assert from 'node:assert/strict';
import { appendFile, readFile, rm } from 'node:fs/promises';
import { test } from 'node:test';
import type { FailpointName } from '../../src/kernel/failpoints.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { choose } from './size.ts';

const SCENARIO = {
  steps: [
    { print: 'hello ``` \u001b[31mred\u001b[0m' },
    { progress: { percent: 40, message: 'half of it' } },
    { tool: { argv: ['sh', '-c', 'exit 0'] } },
    { printErr: 'a complaint' },
    { sleepMs: 300 },
    { print: '## Attempt 9' },
    { exit: 0 },
  ],
};

const POINTS: readonly { point: FailpointName; always: boolean }[] = [
  { point: 'attempt.after-launch', always: false },
  { point: 'attempt.after-attach', always: false },
  { point: 'transcript.before-write', always: true },
  { point: 'transcript.after-write', always: true },
  { point: 'attempt.before-settle', always: false },
  { point: 'attempt.after-settle', always: false },
];

async function readTranscript(world: World, id: string): Promise<{ text: string; etag: string | null }> {
  const answer = await world.api('GET', `/v1/jobs/${id}/transcript`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.match(answer.headers.get('content-type') ?? '', /^text\/markdown/);
  return { text: String(answer.body), etag: answer.headers.get('etag') };
}

/** Without what differs between any two runs. */
function comparable(text: string): string {
  return text
    .replaceAll(/job_[0-9a-z]+/g, 'JOB')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'SESSION')
    .replaceAll(/pid \d+/g, 'pid N')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');
}

/** Runs the job to its end, over a crash at `point`, and returns its transcript. */
async function play(point: FailpointName | null): Promise<string> {
  await using world = await World.create();
  await world.start(point === null ? {} : { failpoints: `${point}:crash` });
  await world.register();
  const { id } = await world.submit({ agent: 'scripted', prompt: JSON.stringify(SCENARIO) });
  if (point !== null) {
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL');
    await world.start();
  }
  await world.awaitState(id, 'completed');
  const { text, etag } = await readTranscript(world, id);
  assert.equal(etag, `"${sha256(text)}"`);
  assert.equal(await readFile(world.home.transcript(id), 'utf8'), text);
  const headers = { 'if-none-match': etag ?? '' };
  assert.equal((await world.call({ method: 'GET', path: `/v1/jobs/${id}/transcript`, headers })).status, 304);
  await checkInvariants(world);
  return text;
}

test('after a crash at any point it is that of an unbroken run', { timeout: 240_000 }, async () => {
  const unbroken = comparable(await play(null));
  assert.match(unbroken, /^# Job 1\n/);
  assert.match(unbroken, /\n## Attempt 1\n\nstarted afresh \(cold\) · session `SESSION` · pid N · TIME\n/);
  assert.match(unbroken, /\nOutput:\n\n {4}hello ``` red\n\nProgress: 40 % half of it\n/);
  assert.match(unbroken, /\n {4}## Attempt 9\n/);
  assert.match(unbroken, /End of its error output:\n\n {4}a complaint\n/);
  assert.match(unbroken, /\n\*\*Ended\*\* with exit code 0\.\n$/);
  for (const { point } of choose(POINTS)) assert.equal(comparable(await play(point)), unbroken, point);
});

test('it grows while the job runs, also under the next server, and says what each attempt did', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const steps = [{ print: 'first word' }, { sleepMs: 600_000 }];
  const { id } = await world.submit({ agent: 'scripted', prompt: JSON.stringify({ steps }) });
  const file = world.home.transcript(id);
  const shows = async (what: string): Promise<boolean> => (await readFile(file, 'utf8').catch(() => '')).includes(what);
  await until('the file shows what was said', () => shows('\n    first word\n'));
  assert.ok((await readTranscript(world, id)).text.includes('\n    first word\n'));
  await world.kill();
  await rm(file);
  await world.start();
  await until('the next server made it again', () => shows('\n    first word\n'));
  const live = await readTranscript(world, id);
  assert.equal(live.etag, null, 'nothing vouches for it yet');
  await world.api('POST', `/v1/jobs/${id}/cancel`);
  await world.awaitState(id, 'cancelled');
  const { text } = await readTranscript(world, id);
  assert.ok(text.startsWith(live.text), 'what was shown stays');
  assert.match(text, /\*\*(?:Ended|Interrupted)\*\* .*stopped by stop/);
  await checkInvariants(world);
});

test('one that was changed is an error that is counted, and the job stays what it is', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const { id } = await world.submitShell('echo said');
  await world.awaitState(id, 'completed');
  await readTranscript(world, id);
  await appendFile(world.home.transcript(id), '\nand more\n');
  for (const damage of ['changed', 'missing']) {
    if (damage === 'missing') await rm(world.home.transcript(id));
    const answer = await world.api('GET', `/v1/jobs/${id}/transcript`);
    assert.equal(answer.status, 409);
    assert.equal((answer.body as { code: string }).code, 'transcript-corrupt');
  }
  assert.match(String((await world.api('GET', '/metrics')).body), /^holdfast_transcript_mismatches_total 2$/m);
  assert.match(await world.readLog(), /the transcript of job 1 is not the one that was recorded/);
  assert.equal((await world.getJob(id)).state, 'completed');
  assert.equal(await world.readOutput(id), 'said\n');
});

test('of a long output it shows both ends, and what lies in its way does not hold up the end of the job', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const long = await world.submitShell(
    'echo begun; head -c 60000000 /dev/zero | tr "\\0" "x" | fold -w 100; echo; echo done',
  );
  const blocked = await world.submitShell('mkdir -p ../transcript.md/x; echo said');
  await world.awaitState(long.id, 'completed');
  const { text } = await readTranscript(world, long.id);
  assert.ok(text.length < 2 ** 21, `${text.length} characters`);
  assert.match(text, /Output:\n\n {4}begun\n/);
  assert.match(text, /\(5\d\.\d MiB of its output are left out here/);
  assert.match(text, / {4}done\n\n\*\*Ended\*\* with exit code 0\.\n$/);
  await world.awaitState(blocked.id, 'completed');
  const told = await readTranscript(world, blocked.id);
  assert.equal(told.etag, null);
  assert.match(told.text, / {4}said\n/);
});
