/**
 * What must hold after every run of a crash test, whatever was killed in it (the letters are those of the list of
 * invariants in docs/crash-matrix.md). Ends the world's server: the last crash belongs to the test.
 */
import assert from 'node:assert/strict';
import { readdir, readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { scanProcesses } from '../../src/keeper/processes.ts';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import { readExit } from '../../src/keeper/run-directory.ts';
import { TEMP_PREFIX } from '../../src/kernel/durable.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import type { Attempt } from '../../src/lifecycle/attempt.ts';
import { isActive, isTerminal } from '../../src/lifecycle/transitions.ts';
import { readServerFile } from '../../src/server/server-file.ts';
import { readEnds, readStarts } from '../support/testimony.ts';
import type { World } from '../support/world.ts';
import { checkAfter } from './check-after.ts';
import { checkGit } from './check-git.ts';
import { checkSurfaces } from './check-surfaces.ts';
import { checkStatisticsFile } from './check-statistics.ts';
import { checkHistory } from './history.ts';
import { isFull } from './size.ts';
import { readStoppedHome, type StoppedHome } from './stopped-home.ts';

export interface InvariantOptions {
  /** Starts once more and compares what that changed (R2, R4); default: where every crash point is taken. */
  startAgain?: boolean;
}

/** Asserts every invariant that can be asserted of this world; leaves it without a server. */
export async function checkInvariants(world: World, options: InvariantOptions = {}): Promise<void> {
  if (world.server === null || !isAlive(world.server.identity)) await world.start();
  await checkAcknowledged(world);
  await checkLocks(world);
  await checkProcesses(world);
  await world.kill();
  const before = await readStoppedHome(world.home);
  checkStore(before);
  for (const list of before.attempts.values()) await checkAttempts(world, list);
  await checkTestimony(world, before);
  await checkTranscripts(world, before);
  await checkStatisticsFile(world.home, before.events);
  if (!before.jobs.some((job) => isActive(job.state))) await checkGit(world, before);
  if (options.startAgain ?? isFull) await checkStartAgain(world, before);
}

/** A1: every id that was answered exists. */
async function checkAcknowledged(world: World): Promise<void> {
  for (const id of world.acknowledged.keys()) {
    const { status } = await world.api('GET', `/v1/jobs/${id}`);
    assert.ok(status === 200 || (status === 410 && world.removing.has(id)), `job ${id} was accepted: ${status}`);
    // Removed, though whoever asked was not told.
    if (status === 410) world.acknowledged.delete(id);
  }
}

/** L1: no lock without an owner that lives; after recovery that can only be this server. */
async function checkLocks(world: World): Promise<void> {
  const info = await readServerFile(world.home.serverFile);
  const { items } = (await world.api('GET', '/v1/locks')).body as { items: { key: string; boot: string }[] };
  for (const lock of items) assert.equal(lock.boot, info?.bootId, `lock ${lock.key} belongs to a dead server`);
}

/** W4: what lives belongs to a job that has not ended. States are read first: dead comes before the record. */
async function checkProcesses(world: World): Promise<void> {
  const ended = new Set<string>();
  for (const id of world.acknowledged.keys()) {
    const job = await world.getJob(id);
    if (isTerminal(job.state as Parameters<typeof isTerminal>[0])) ended.add(id);
  }
  const { attempts } = scanProcesses();
  for (const attempt of await world.listAttempts()) {
    const alive = (attempts.get(attempt.id) ?? []).filter((one) => isAlive(one));
    if (ended.has(attempt.job))
      assert.deepEqual(alive, [], `job ${attempt.job} has ended, attempt ${attempt.number} lives`);
  }
}

/** A4, Q2, S1, S2, S4, R1, R3. */
function checkStore(home: StoppedHome): void {
  assert.deepEqual(home.check.corrupt, []);
  assert.equal(home.check.witness, null);
  checkHistory(home.events);
  checkSurfaces(home.events);
  checkAfter(home.events);
  const queued = new Set(home.queue.map((job) => job.id));
  for (const job of home.jobs) {
    const live = (home.attempts.get(job.id) ?? []).filter((one) => one.endedAt === null);
    assert.equal(queued.has(job.id), job.state === 'queued', `job ${job.number} is ${job.state}`);
    assert.equal(live.length, job.state === 'running' ? 1 : 0, `job ${job.number} is ${job.state}`);
    assert.equal(sha256(home.prompts.get(job.id) ?? ''), job.promptSha256, `prompt of job ${job.number}`);
    if (isActive(job.state)) assert.ok(job.fence >= 1 && job.claimedBy !== null, `job ${job.number} has no owner`);
  }
}

/** S3, O1: an attempt that finished says what its exit record says, and all it vouches for is there. */
async function checkAttempts(world: World, attempts: readonly Attempt[]): Promise<void> {
  assert.deepEqual(
    attempts.map((one) => one.number),
    attempts.map((_, index) => index + 1),
  );
  for (const attempt of attempts) {
    if (attempt.verdict !== 'FINISHED') continue;
    const runDir = world.home.runDirectory(attempt.jobId, attempt.number);
    const exit = await readExit(runDir, attempt.id);
    assert.ok(exit.kind === 'ok', `the exit record of ${attempt.id} is ${exit.kind}`);
    const { code, signal, bytesOut, stoppedBy } = exit.record;
    assert.deepEqual(
      [attempt.exitCode, attempt.exitSignal, attempt.outputBytes, attempt.stoppedBy],
      [code, signal, bytesOut, stoppedBy],
    );
    const { size } = await stat(join(runDir, RUN_FILES.output));
    assert.ok(size >= bytesOut, `${attempt.id} recorded ${bytesOut} bytes, there are ${size}`);
  }
}

/** A transcript that was recorded is there, and is the one that was recorded. */
async function checkTranscripts(world: World, home: StoppedHome): Promise<void> {
  for (const job of home.jobs) {
    if (job.state === 'running' || job.transcriptSha256 === null) continue;
    const found = sha256(await readFile(world.home.transcript(job.id)));
    assert.equal(found, job.transcriptSha256, `transcript of job ${job.number}`);
  }
}

/** W1, W2, S3 and A4 by what was witnessed outside the home. */
async function checkTestimony(world: World, home: StoppedHome): Promise<void> {
  assert.deepEqual(await world.readWitness('doubles'), [], 'two agents of one job were alive at once');
  const known = new Map([...home.attempts.values()].flat().map((attempt) => [attempt.id, attempt]));
  const seen = new Set<string>();
  for (const start of await readStarts(world)) {
    assert.ok(!seen.has(start.attempt), `attempt ${start.attempt} started twice`);
    seen.add(start.attempt);
    if (world.removing.has(start.job) && !home.jobs.some(({ id }) => id === start.job)) continue;
    const attempt = known.get(start.attempt);
    assert.equal(attempt?.jobId, start.job, `attempt ${start.attempt} ran, but is not in the store`);
    assert.notEqual(attempt?.state, 'never_ran', `attempt ${start.attempt} ran, but the store says it never did`);
  }
  for (const end of await readEnds(world)) {
    const attempt = known.get(end.attempt);
    if (attempt?.verdict === 'FINISHED' && attempt.exitSignal === null) assert.equal(attempt.exitCode, end.code);
  }
  for (const [id, body] of world.acknowledged) {
    const job = home.jobs.find((one) => one.id === id);
    if (typeof body['prompt'] === 'string') assert.equal(job?.promptSha256, sha256(body['prompt']));
    if (body['command'] !== undefined) assert.deepEqual(job?.command, body['command']);
  }
}

/** R2: what a crash left half-written is gone in time. R4: a second recovery changes nothing that had ended. */
async function checkStartAgain(world: World, before: StoppedHome): Promise<void> {
  const hourAgo = Date.now() / 1000 - 3600;
  const isTemp = (name: string): boolean => name.startsWith(TEMP_PREFIX);
  const { root } = world.home;
  for (const name of await readdir(root)) if (isTemp(name)) await utimes(join(root, name), hourAgo, hourAgo);
  await world.start();
  assert.deepEqual((await readdir(root)).filter(isTemp), []);
  await world.kill();
  const after = await readStoppedHome(world.home);
  checkStore(after);
  const rest = (home: StoppedHome): unknown[] =>
    home.jobs
      .filter((job) => !isActive(job.state) && job.state !== 'queued' && job.state !== 'waiting')
      .map((job) => [job, home.attempts.get(job.id)]);
  const stillThere = new Set(rest(before).map((one) => JSON.stringify(one)));
  for (const one of stillThere)
    assert.ok(
      rest(after).some((two) => JSON.stringify(two) === one),
      `changed: ${one}`,
    );
}
