/**
 * The host is started anew: nothing of the old boot lives, whatever the pids look like. The next server sees another
 * boot id, by a bind mount over the kernel's file; where mount namespaces are not permitted the claims are rewritten
 * instead, as if they were of another boot (then the report cannot tell a reboot from a crash).
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { endStrays, signalProcess } from '../../src/keeper/processes.ts';
import type { JobFinding } from '../../src/lifecycle/report.ts';
import { mountNamespace } from '../support/namespace.ts';
import { until } from '../support/poll.ts';
import { Stranger } from '../support/stranger.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import type { KnownAttempt } from '../support/world-processes.ts';
import { World, type JobView, type StartOptions } from '../support/world.ts';
import { forgeRecords } from './forge-records.ts';
import { checkInvariants } from './invariants.ts';

const namespace = mountNamespace();

test('attempts of the old boot are interrupted; sessions are resumed warm', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const session = await submitSession(world);
  const plain = await world.submitShell(testifying('if [ -e "$WITNESS/stop" ]; then exit 0; fi; say first; sleep 600'));
  const short = await world.submitShell(
    testifying('say short; while [ ! -e "$WITNESS/down" ]; do sleep 0.05; done; exit 3'),
  );
  for (const job of [session, plain, short]) {
    await until(`job ${job.number} works`, async () => (await world.getJob(job.id)).outputBytes > 0);
  }
  const { sessionId } = await world.getJob(session.id);
  await world.kill();
  await writeFile(join(world.witness, 'down'), '');
  const ended = (await world.listAttempts()).find((attempt) => attempt.job === short.id);
  await until('the short one has ended', () => ended !== undefined && hasEnded(ended));

  await reboot(world);
  const report = await world.readReport();
  assert.equal(report.previousStop, namespace === null ? 'crash' : 'reboot');
  assert.deepEqual(report.jobs.map(summarise), [
    [session.id, 'INTERRUPTED', 'resumed_warm'],
    [plain.id, 'INTERRUPTED', 'restarted_cold'],
    [short.id, 'FINISHED', 'completed_while_down'],
  ]);
  await writeFile(join(world.witness, 'stop'), '');
  for (const job of [session, plain]) await world.awaitState(job.id, 'completed');
  assert.equal((await world.getJob(short.id)).exitCode, 3);
  await checkResumed(world, session, sessionId);
  const [, again] = await world.getAttempts(plain.id);
  assert.equal(again?.mode, 'cold');
  await checkInvariants(world);
});

test('a claim of the old boot without an agent never ran', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start({ failpoints: 'attempt.after-launch:crash,keeper.after-claim:crash' });
  await world.register();
  const job = await world.submitShell(testifying('say once'));
  await world.awaitEnd();
  await until('its keeper has claimed and died', async () => {
    const [attempt] = await world.listAttempts();
    return attempt !== undefined && hasEnded(attempt);
  });
  await reboot(world);
  assert.deepEqual((await world.readReport()).jobs.map(summarise), [[job.id, 'NEVER_RAN', 'requeued']]);
  await world.awaitState(job.id, 'completed');
  assert.equal((await readStarts(world)).length, 1);
  await checkInvariants(world);
});

test('an agent that said it was done before the power went is believed', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start({ failpoints: 'keeper.after-wait:crash' });
  await world.register();
  const job = await submitSession(world);
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  await world.kill();
  await writeFile(join(world.witness, 'stop'), '');
  await until('it has ended', async () => (await world.listProcesses()).length === 0);
  await reboot(world);
  assert.deepEqual((await world.readReport()).jobs.map(summarise), [
    [job.id, 'FINISHED_BY_OUTPUT', 'completed_while_down'],
  ]);
  const now = await world.getJob(job.id);
  assert.deepEqual([now.state, now.exitCode, now.attempts], ['completed', null, 1]);
  await checkInvariants(world);
});

test('a stranger of the new boot with the pid and the start time of the old agent is left alone', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell(
    testifying('if [ -e "$WITNESS/again" ]; then exit 0; fi; : >"$WITNESS/again"; say first; sleep 600'),
  );
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  await using stranger = await Stranger.start(join(world.witness, 'stranger'));
  await reboot(world, (attempt) => forgeRecords(attempt, { claim: stranger.identity, agent: stranger.identity }));
  assert.deepEqual((await world.readReport()).jobs.map(summarise), [[job.id, 'INTERRUPTED', 'restarted_cold']]);
  await world.awaitState(job.id, 'completed');
  assert.ok(await stranger.isUntouched());
  await checkInvariants(world);
});

async function submitSession(world: World): Promise<JobView> {
  const wait = `while [ ! -e '${world.witness}/stop' ]; do sleep 0.05; done`;
  const steps = [{ print: 'begun' }, { tool: { argv: ['sh', '-c', wait] } }, { print: 'done' }, { exit: 0 }];
  return world.submit({ agent: 'scripted', prompt: JSON.stringify({ steps }) });
}

/** Whether it had a keeper and has none any more. */
function hasEnded(attempt: KnownAttempt): boolean {
  return attempt.keeper !== null && !isAlive(attempt.keeper);
}

function summarise(finding: JobFinding): unknown[] {
  return [finding.id, finding.verdict, finding.outcome];
}

/** Two starts of one session, the second of which went on where the first was cut off. */
async function checkResumed(world: World, job: JobView, sessionId: string | null): Promise<void> {
  const attempts = await world.getAttempts(job.id);
  assert.deepEqual(
    attempts.map((one) => [one.state, one.mode, one.sessionId]),
    [
      ['interrupted', 'cold', sessionId],
      ['finished', 'warm', sessionId],
    ],
  );
  const starts = await readFile(join(world.home.agentHome(job.id), '.holdfast-starts'), 'utf8');
  assert.match(starts, new RegExp(`^.* start ${sessionId} after step 0\\n.* resume ${sessionId} after step 1\\n$`));
  assert.match(await world.readLog(), new RegExp(`spawn mode=warm job=${job.id} session=${sessionId}`));
}

/** Ends everything of an attempt at once, as a power cut does. */
async function cutPower(attempt: KnownAttempt): Promise<void> {
  if (attempt.keeper !== null) {
    const { keeper } = attempt;
    signalProcess(keeper, 'SIGKILL');
    await until('the keeper is dead', () => !isAlive(keeper));
  }
  assert.deepEqual((await endStrays({ attempt: attempt.id })).left, []);
}

/** The power goes and comes back: nothing lives, and the next server finds another boot id, and what `change` made. */
async function reboot(world: World, change?: (attempt: KnownAttempt) => Promise<void>): Promise<void> {
  await world.kill();
  const attempts = await world.listAttempts();
  for (const attempt of attempts) await cutPower(attempt);
  for (const attempt of attempts) await change?.(attempt);
  const boot = randomUUID();
  if (namespace === null) {
    for (const attempt of attempts) await forgeRecords(attempt, { claim: { boot } });
    await world.start();
    return;
  }
  const file = join(world.root, 'boot_id');
  await writeFile(file, `${boot}\n`);
  const script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"';
  const wrap: StartOptions['wrap'] = (argv) => [...namespace, 'sh', '-c', script, file, ...argv];
  await world.start({ wrap });
}
