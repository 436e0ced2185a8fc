/** Readers of a job go on reading through restarts of the server: what they have in the end is the file, byte for byte. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { signalProcess } from '../../src/keeper/processes.ts';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import { until, within } from '../support/poll.ts';
import { StreamReader } from '../support/stream-reader.ts';
import { testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { readStoppedHome } from './stopped-home.ts';

const RESTARTS = 2;

/** Any bytes, in pieces that fit no frame, kept outside before they are printed. */
const FLOOD = `while [ ! -e "$WITNESS/stop" ]; do
  head -c 3001 /dev/urandom >"$WITNESS/piece"
  cat "$WITNESS/piece" >>"$WITNESS/bytes.$HOLDFAST_ATTEMPT"
  cat "$WITNESS/piece"
  sleep 0.02
done
exit 5`;

test('streams and logs -f through two restarts and a second attempt', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell(testifying(FLOOD));
  const stop = new AbortController();
  const early = new StreamReader(world, job.id);
  const reading = [early.follow(stop.signal)];
  const logs = followLogs(world, job);
  for (let restart = 0; restart < RESTARTS; restart++) {
    await awaitMore(early, logs);
    await world.kill();
    const written = await sizeOfWitness(world);
    await until('the agent writes while nobody serves', async () => (await sizeOfWitness(world)) > written + 100_000);
    await world.start();
  }
  await awaitMore(early, logs);
  await interruptAgent(world, job);
  await until('the second attempt is read too', () => (early.output.get(2)?.length ?? 0) > 0);
  const late = new StreamReader(world, job.id);
  reading.push(late.follow(stop.signal));
  await writeFile(join(world.witness, 'stop'), '');
  await within('the readers', Promise.all(reading)).finally(() => stop.abort());
  assert.equal(await logs.ended, 7, 'logs -f of a failed job');

  const whole = await checkFiles(world, job, [early, late]);
  assert.ok((await logs.read()).equals(whole), 'logs -f is not the output of both attempts');
  assert.equal(new Set(early.boots).size, RESTARTS + 1);
  await world.kill();
  const { events } = await readStoppedHome(world.home);
  const seqs = events.filter((event) => event.jobId === job.id).map((event) => event.seq);
  for (const reader of [early, late]) assert.deepEqual(reader.seqs, seqs, 'state frames are not the journal');
  await checkInvariants(world);
});

interface Logs {
  /** What it printed so far. */
  read(): Promise<Buffer>;
  /** Its exit code. */
  ended: Promise<number | null>;
}

/** Runs `holdfast logs -f` of the job. */
function followLogs(world: World, job: JobView): Logs {
  const path = join(world.root, 'logs');
  const [program, ...args] = world.command('logs', '-f', job.id);
  const stdout = openSync(path, 'w');
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: world.root, HOLDFAST_HOME: world.home.root },
    stdio: ['ignore', stdout, 'ignore'],
  });
  closeSync(stdout);
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return { ended: within('logs -f', ended), read: () => readFile(path) };
}

/** Both readers get bytes they did not have: what is killed next is killed in the middle of their reading. */
async function awaitMore(reader: StreamReader, logs: Logs): Promise<void> {
  const { bytes } = reader;
  const printed = (await logs.read()).length;
  await until('more is read', async () => reader.bytes > bytes && (await logs.read()).length > printed);
}

async function sizeOfWitness(world: World): Promise<number> {
  const [attempt] = await world.listAttempts();
  return attempt === undefined ? 0 : (await readFile(join(world.witness, `bytes.${attempt.id}`))).length;
}

async function interruptAgent(world: World, job: JobView): Promise<void> {
  const [attempt] = await world.listAttempts();
  assert.ok(attempt !== undefined && attempt.agent !== null && signalProcess(attempt.agent, 'SIGKILL'));
  await until('it is continued', async () => (await world.getJob(job.id)).attempts === 2);
}

/** The file of each attempt is what its agent kept, and every reader has exactly it. Returns both files together. */
async function checkFiles(world: World, job: JobView, readers: readonly StreamReader[]): Promise<Buffer> {
  const files: Buffer[] = [];
  for (const attempt of await world.getAttempts(job.id)) {
    const file = await readFile(join(world.home.runDirectory(job.id, attempt.number), RUN_FILES.output));
    const kept = await readFile(join(world.witness, `bytes.${attempt.id}`));
    // An agent killed between keeping a piece and printing all of it printed the beginning of it.
    assert.ok(kept.subarray(0, file.length).equals(file) && kept.length - file.length <= 3001);
    for (const reader of readers)
      assert.ok(reader.output.get(attempt.number)?.equals(file), `attempt ${attempt.number}`);
    files.push(file);
  }
  assert.equal(files.length, 2);
  for (const reader of readers) assert.deepEqual([reader.end?.state, reader.end?.exitCode], ['failed', 5]);
  return Buffer.concat(files);
}
