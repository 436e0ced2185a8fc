/**
 * A process is what its pid, its start time and its state say together. Strangers with a reused pid, zombies, stopped
 * keepers and agents without a keeper are told apart, and none of them makes a second agent start.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { endStrays, signalProcess } from '../../src/keeper/processes.ts';
import { until } from '../support/poll.ts';
import { Stranger, Zombie } from '../support/stranger.ts';
import { readCopy, readEnds, readStarts, testifying } from '../support/testimony.ts';
import type { KnownAttempt } from '../support/world-processes.ts';
import { World, type JobView } from '../support/world.ts';
import { forgeRecords } from './forge-records.ts';
import { checkInvariants } from './invariants.ts';

/** The first attempt works until it is stopped from outside; the second one ends well. */
const TWICE = `if [ -e "$WITNESS/first" ]; then say again; exit 0; fi
: >"$WITNESS/first"
while [ ! -e "$WITNESS/stop" ]; do say first; sleep 0.05; done
exit 4`;

/** Long enough for a server that wrongly gives an attempt up to have started the next one. */
const OBSERVED_MS = 1000;

test('a pid that was given to a stranger is neither adopted nor signalled', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  const { job, attempt } = await startTwice(world);
  await using stranger = await Stranger.start(join(world.witness, 'stranger'));
  await world.kill();
  await killAll(attempt);
  const { pid } = stranger.identity;
  await forgeRecords(attempt, { claim: { pid }, agent: { pid } });
  await world.start();
  await checkFoundInterrupted(world);
  await checkContinued(world, job);
  assert.ok(await stranger.isUntouched());
  await checkInvariants(world);
});

test('a zombie is dead, although its pid and its start time are there', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  const { job, attempt } = await startTwice(world);
  await using zombie = await Zombie.make();
  await world.kill();
  await killAll(attempt);
  await forgeRecords(attempt, { claim: zombie.identity, agent: zombie.identity });
  await world.start();
  await checkContinued(world, job);
  await checkInvariants(world);
});

test(
  'a stopped keeper keeps its attempt, through a restart and the end of its agent',
  { timeout: 120_000 },
  async () => {
    await using world = await World.create();
    const { job, attempt } = await startTwice(world);
    const keeper = keeperOf(attempt);
    const isStalled = async (): Promise<unknown> => (await world.getAttempts(job.id))[0]?.stalled;
    assert.equal(await isStalled(), false);
    signalProcess(keeper, 'SIGSTOP');
    await until('it is shown as stalled', isStalled);
    await world.kill();
    await world.start();
    const finding = (await world.readReport()).jobs[0];
    assert.deepEqual([finding?.verdict, finding?.outcome], ['RUNNING', 'reattached']);
    await writeFile(join(world.witness, 'stop'), '');
    await until('the agent has ended', async () => (await readEnds(world)).length === 1);
    await sleep(OBSERVED_MS);
    assert.deepEqual([(await world.getJob(job.id)).state, (await readStarts(world)).length], ['running', 1]);
    assert.equal(await isStalled(), true);
    signalProcess(keeper, 'SIGCONT');
    const ended = await world.awaitState(job.id, 'failed', 'completed');
    assert.deepEqual([ended.state, ended.exitCode, ended.attempts], ['failed', 4, 1]);
    assert.equal(await world.readOutput(job.id), await readCopy(world, attempt.id));
    await checkInvariants(world);
  },
);

test('an agent whose keeper was killed is adopted, and its end is noticed', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  const { job, attempt } = await startTwice(world);
  signalProcess(keeperOf(attempt), 'SIGKILL');
  await until('the server has noticed', async () =>
    /is dead, its agent \d+ lives: adopted/.test(await world.readLog()),
  );
  await world.kill();
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['ORPHAN_RUNNING', 'reattached']);
  const { agent } = attempt;
  assert.deepEqual(finding?.worker, { attempt: 1, pid: agent?.pid, start: agent?.start, alive: true });
  const before = (await world.readOutput(job.id)).length;
  await until('it still prints', async () => (await world.readOutput(job.id)).length > before);
  await sleep(OBSERVED_MS);
  assert.deepEqual([(await world.getJob(job.id)).state, (await readStarts(world)).length], ['running', 1]);
  await writeFile(join(world.witness, 'stop'), '');
  await checkContinued(world, job);
  // Nobody was there to learn how it ended: its exit code is not made up.
  const [first] = await world.getAttempts(job.id);
  assert.deepEqual([first?.state, first?.exitCode], ['interrupted', null]);
  await checkInvariants(world);
});

test('an agent that says it is done needs no keeper to be believed', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const wait = `while [ ! -e '${world.witness}/stop' ]; do sleep 0.05; done`;
  const scenario = {
    steps: [{ print: 'begun' }, { tool: { argv: ['sh', '-c', wait] } }, { print: 'done' }, { exit: 0 }],
  };
  const job = await world.submit({ agent: 'scripted', prompt: JSON.stringify(scenario) });
  await until('its tool runs', async () => (await world.getJob(job.id)).outputBytes > 0);
  const attempt = await theAttempt(world);
  signalProcess(keeperOf(attempt), 'SIGKILL');
  await world.kill();
  await writeFile(join(world.witness, 'stop'), '');
  await until('it has ended', async () => (await world.listProcesses()).length === 0);
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['FINISHED_BY_OUTPUT', 'completed_while_down']);
  const ended = await world.getJob(job.id);
  assert.deepEqual([ended.state, ended.exitCode, ended.attempts], ['completed', null, 1]);
  await checkInvariants(world);
});

async function startTwice(world: World): Promise<{ job: JobView; attempt: KnownAttempt }> {
  await world.start();
  await world.register();
  const job = await world.submitShell(testifying(TWICE));
  await until('the agent has printed', async () => (await world.getJob(job.id)).outputBytes > 0);
  return { job, attempt: await theAttempt(world) };
}

async function theAttempt(world: World): Promise<KnownAttempt> {
  const [attempt, ...others] = await world.listAttempts();
  assert.ok(attempt !== undefined && attempt.agent !== null && others.length === 0);
  return attempt;
}

function keeperOf(attempt: KnownAttempt): ProcessIdentity {
  assert.ok(attempt.keeper !== null);
  return attempt.keeper;
}

/** Leaves the attempt as it is after a power cut: records, and nothing alive. */
async function killAll(attempt: KnownAttempt): Promise<void> {
  const keeper = keeperOf(attempt);
  signalProcess(keeper, 'SIGKILL');
  await until('the keeper is dead', () => !isAlive(keeper));
  assert.deepEqual((await endStrays({ attempt: attempt.id })).left, []);
}

async function checkFoundInterrupted(world: World): Promise<void> {
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['INTERRUPTED', 'restarted_cold']);
  assert.equal(finding?.worker?.alive, false);
}

/** The first attempt was interrupted, the second one did the work; nothing counts as failed. */
async function checkContinued(world: World, job: JobView): Promise<void> {
  const ended = await world.awaitState(job.id, 'completed', 'failed', 'blocked', 'quarantined');
  assert.deepEqual([ended.state, ended.reason, ended.attempts], ['completed', null, 2], await world.readLog());
  const attempts = await world.getAttempts(job.id);
  assert.deepEqual(
    attempts.map((one) => [one.state, one.verdict, one.epoch]),
    [
      ['interrupted', 'INTERRUPTED', 1],
      ['finished', 'FINISHED', 1],
    ],
  );
  assert.deepEqual(
    (await readStarts(world)).map((one) => one.attempt),
    attempts.map((one) => one.id),
  );
  assert.equal(await world.readOutput(job.id), 'again\n');
}
