/**
 * What the host does to agents and keepers: a stranger's SIGTERM, SIGKILL as the OOM killer sends it, SIGTERM to keepers
 * as at a shutdown. The attempt was interrupted, which is nobody's failure: the next one continues.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import type { KnownAttempt } from '../support/world-processes.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

interface Case {
  name: string;
  target: 'agent' | 'keeper';
  signal: 'SIGTERM' | 'SIGKILL';
  /** In the exit record of the first attempt. */
  exitSignal: string;
  stoppedBy: string | null;
}

const CASES: readonly Case[] = [
  { name: 'SIGTERM to the agent', target: 'agent', signal: 'SIGTERM', exitSignal: 'SIGTERM', stoppedBy: null },
  { name: 'SIGKILL to the agent', target: 'agent', signal: 'SIGKILL', exitSignal: 'SIGKILL', stoppedBy: null },
  { name: 'SIGTERM to the keeper', target: 'keeper', signal: 'SIGTERM', exitSignal: 'SIGTERM', stoppedBy: 'host' },
];

const TWICE = `if [ -e "$WITNESS/first.$HOLDFAST_JOB" ]; then say again; exit 0; fi
: >"$WITNESS/first.$HOLDFAST_JOB"
while :; do say first; sleep 0.05; done`;

for (const isDown of [false, true]) {
  test(`signals of strangers while the server is ${isDown ? 'down' : 'up'}`, { timeout: 120_000 }, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const jobs = new Map<Case, JobView>();
    for (const one of CASES) jobs.set(one, await world.submitShell(testifying(TWICE)));
    const attempts = new Map<Case, KnownAttempt>();
    for (const [one, job] of jobs) attempts.set(one, await awaitWorking(world, job));
    if (isDown) await world.kill();
    for (const [one, attempt] of attempts) await strike(one, attempt);
    if (isDown) await world.start();
    for (const [one, job] of jobs) await checkContinued(world, one, job);
    if (isDown) {
      const outcomes = (await world.readReport()).jobs.map((found) => found.outcome);
      assert.deepEqual(
        outcomes,
        CASES.map(() => 'restarted_cold'),
      );
    }
    await checkInvariants(world);
  });
}

test('an agent that is killed every time is given up as a crash loop, until somebody asks again', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell(testifying('say doomed; [ -e "$WITNESS/mended" ] && exit 0; kill -KILL $$'));
  await until('it was tried twice', async () => (await readStarts(world)).length >= 2);
  // A crash of the server is no interruption of the agent's own, and does not forgive any either.
  await world.kill();
  await world.start();
  const blocked = await world.awaitState(job.id, 'blocked', 'completed', 'failed');
  assert.deepEqual([blocked.state, blocked.reason], ['blocked', 'crash_loop']);
  assert.equal((await readStarts(world)).length, 5);
  await world.kill();
  await world.start();
  assert.equal((await world.getJob(job.id)).state, 'blocked');
  assert.equal((await world.api('POST', `/v1/jobs/${job.id}/retry`)).status, 200);
  await world.awaitState(job.id, 'blocked');
  await until('the new budget is used up', async () => (await readStarts(world)).length === 10);
  await checkInvariants(world);
});

async function awaitWorking(world: World, job: JobView): Promise<KnownAttempt> {
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  const attempt = (await world.listAttempts()).find((known) => known.job === job.id);
  assert.ok(attempt !== undefined && attempt.agent !== null && attempt.keeper !== null);
  return attempt;
}

/** Sends the signal, and waits until the attempt is over. */
async function strike(one: Case, attempt: KnownAttempt): Promise<void> {
  const target = attempt[one.target];
  assert.ok(target !== null && signalProcess(target, one.signal));
  await until('its keeper has ended', () => attempt.keeper !== null && !isAlive(attempt.keeper));
}

async function checkContinued(world: World, one: Case, job: JobView): Promise<void> {
  const ended = await world.awaitState(job.id, 'completed', 'failed', 'blocked', 'quarantined');
  assert.deepEqual([ended.state, ended.reason, ended.attempts], ['completed', null, 2], one.name);
  const [first, second] = await world.getAttempts(job.id);
  assert.deepEqual(
    [first?.state, first?.verdict, first?.exitCode, first?.exitSignal, first?.stoppedBy],
    ['interrupted', 'FINISHED', null, one.exitSignal, one.stoppedBy],
    one.name,
  );
  assert.deepEqual([second?.state, second?.epoch, second?.exitCode], ['finished', 1, 0], one.name);
  assert.equal((await readStarts(world, job.id)).length, 2, one.name);
  assert.equal(await world.readOutput(job.id), 'again\n', one.name);
}
