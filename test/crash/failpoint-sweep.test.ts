/**
 * Kills a server or a keeper at every named failpoint between submission and settlement, starts again without
 * submitting anything again, and looks whether everything that was promised is kept; then submits what was never
 * acknowledged, which must work too. What agents did is witnessed outside the home.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { describe, test } from 'node:test';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { until, within } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World, type JobView } from '../support/world.ts';
import { openSink, type Sink } from '../../src/callbacks/sink.fixture.ts';
import { awaitTold, checkRotation, checkTold, TELL_LOOPBACK } from './check-callbacks.ts';
import { checkCounted } from './check-statistics.ts';
import { isRotation, listPlans, type Plan } from './failpoint-plans.ts';
import { checkScrap, checkTemp, registerScrap, repairTemp } from './leftover-occasions.ts';
import { checkPipeline, submitPipeline } from './pipeline-occasion.ts';
import { ageUntilDeath, checkBack } from './retention-occasion.ts';
import { checkSetAside, sendBack } from './set-aside-occasion.ts';
import { checkInvariants } from './invariants.ts';
import { assertNothingBeside, backUp, restoreThroughCrash } from './restored-home.ts';

const JOBS = ['a', 'b', 'c'] as const;
type JobName = (typeof JOBS)[number];
type Acknowledged = Map<JobName, JobView>;

/** Who is told of what happens in each world. */
const sinks = new WeakMap<World, Sink>();

const size = process.env['HOLDFAST_CRASH'] === 'all' ? 'all' : 'sample';

/** Every pass has a world of its own and waits for agents most of the time. */
const LANES = availableParallelism() * (size === 'all' ? 2 : 1);

describe('the sweep', { concurrency: LANES }, () => {
  for (const plan of listPlans(size)) {
    test(`killed at ${nameOf(plan)}: nothing lost, nothing doubled`, { timeout: 240_000 }, async () => {
      await using sink = await openSink();
      await using world = await World.create();
      sinks.set(world, sink);
      await world.configure({ callbacks: TELL_LOOPBACK });
      const known: Acknowledged = new Map();
      await crashAt(world, plan, known);
      await world.start();
      if (plan.occasion === 'remove-job') await checkJobRemoved(world, known);
      if (plan.occasion === 'pipeline') await checkPipeline(world);
      if (plan.occasion === 'merge') await checkPipeline(world, true);
      if (plan.occasion === 'aside') await checkSetAside(world);
      await checkAcknowledged(world, known);
      if (plan.occasion === 'remove') await checkRemoved(world);
      if (plan.occasion === 'retention') await checkBack(world);
      if (plan.occasion === 'upload') await completeUploads(world, known);
      if (plan.occasion === 'resource') await checkScrap(world, idOf(known, 'a'));
      if (plan.occasion === 'backup') await checkBackup(world);
      if (plan.occasion === 'orphan') await checkTemp(world, idOf(known, 'a'));
      await submitMissing(world, known);
      for (const job of known) await checkCompleted(world, job, plan);
      // Where a job was retried or removed, more was counted than is there.
      if (!['remove-job', 'retention', 'pipeline', 'merge', 'aside'].includes(plan.occasion)) await checkCounted(world);
      await awaitTold(world);
      await checkInvariants(world);
      const redelivered = sink.received.slice(0, 1).map(({ id }) => id);
      await checkTold(world, sink, plan.occasion === 'redeliver' ? { redelivered } : {});
      if (isRotation(plan.point)) await checkRotation(world, plan.point !== 'callbacks.after-rotation-intent');
    });
  }
});

function idOf(known: Acknowledged, name: JobName): string {
  return known.get(name)?.id ?? '';
}

/** Repositories and jobs are removed by the same steps: both are tried. */
function nameOf({ point, hit, occasion }: Plan): string {
  return `${point}${occasion === 'remove-job' ? ' of a job' : ''}, pass ${hit}`;
}

/** What each agent does: testifies to its start, works long enough to be caught alive, testifies to its end. */
function script(name: JobName): string {
  return `echo "$HOLDFAST_ATTEMPT" >> "$WITNESS/${name}.starts"
for i in 1 2 3 4 5 6; do echo "${name} $i"; sleep 0.1; done
echo ${name} > ${name}.txt
echo "$HOLDFAST_ATTEMPT" >> "$WITNESS/${name}.ends"`;
}

/** Brings the world to the point and lets it die there; returns with no server alive. */
async function crashAt(world: World, plan: Plan, known: Acknowledged): Promise<void> {
  const fatal = `${plan.point}:crash@${plan.hit}`;
  switch (plan.occasion) {
    case 'serve':
      await world.start({ failpoints: fatal, waitReady: false });
      await submitUntilDeath(world, known);
      break;
    case 'start':
      await world.start();
      await submitAll(world, known);
      await awaitOutput(world, known, 'a');
      await world.kill();
      await world.start({ failpoints: fatal, waitReady: false });
      break;
    case 'upload':
      await world.start({ failpoints: fatal });
      await world.register();
      await uploadUntilDeath(world, known);
      break;
    case 'seal':
      await world.start({ failpoints: 'attempt.after-intent:crash' });
      await submitUntilDeath(world, known);
      await awaitDeath(world, 'attempt.after-intent');
      await world.start({ failpoints: fatal, waitReady: false });
      break;
    case 'continue':
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      await awaitOutput(world, known, 'a');
      await killAgent(world, 'a');
      break;
    case 'remove':
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      for (const job of known.values()) await world.awaitState(job.id, 'completed');
      await assert.rejects(world.api('DELETE', '/v1/repositories/demo'));
      break;
    case 'resource':
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      await awaitOutput(world, known, 'a');
      await registerScrap(world, idOf(known, 'a'));
      break;
    case 'redeliver': {
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      for (const job of known.values()) await world.awaitState(job.id, 'completed');
      await awaitTold(world);
      const first = sinks.get(world)?.received[0];
      const redelivery = `/v1/deliveries/${first?.id ?? ''}/redeliver`;
      const path = isRotation(plan.point) ? '/v1/callbacks/secret/rotate' : redelivery;
      await assert.rejects(world.api('POST', path));
      break;
    }
    case 'stop':
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      for (const job of known.values()) await world.awaitState(job.id, 'completed');
      world.server?.child.kill('SIGTERM');
      break;
    case 'orphan':
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      await awaitOutput(world, known, 'a');
      await repairTemp(world, idOf(known, 'a'));
      break;
    case 'merge':
    case 'pipeline': {
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      // The answer may not come any more.
      await submitPipeline(world, plan.occasion === 'merge').catch(() => null);
      break;
    }
    case 'aside':
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      await sendBack(world);
      break;
    case 'retention':
      await ageUntilDeath(world, { config: { callbacks: TELL_LOOPBACK }, failpoints: fatal });
      break;
    case 'backup':
      await world.start({ failpoints: fatal });
      await submitAll(world, known);
      await awaitOutput(world, known, 'a');
      await world.api('POST', '/v1/backups', { path: join(world.root, 'saved') }).catch(() => null);
      break;
    case 'restore': {
      await world.start();
      await submitAll(world, known);
      await awaitOutput(world, known, 'a');
      const saved = join(world.root, 'saved');
      assert.equal((await backUp(world, saved)).state, 'made');
      await restoreThroughCrash(world, saved, { home: join(world.root, 'restored'), point: plan.point });
      await world.kill();
      return;
    }
    case 'remove-job':
      await world.start();
      await submitAll(world, known);
      await awaitOutput(world, known, 'a');
      await killAgent(world, 'a');
      for (const job of known.values()) await world.awaitState(job.id, 'completed');
      await awaitTold(world);
      await world.kill();
      await world.start({ failpoints: fatal });
      await assert.rejects(world.api('DELETE', `/v1/jobs/${known.get('a')?.id ?? ''}`));
      break;
    case 'keeper':
      // The server dies as it has launched its first keeper; the keeper goes on alone to its own point.
      await world.start({ failpoints: `${fatal},attempt.after-launch:crash` });
      await submitUntilDeath(world, known);
      await awaitDeath(world, 'attempt.after-launch');
      await until('the keeper is dead', async () => (await world.listKeepers()).length === 0);
      return;
  }
  await awaitDeath(world, plan.point);
}

/** A point that is never passed is a defect of the test or of the code: the process must have been killed by it. */
async function awaitDeath(world: World, point: string): Promise<void> {
  const { signal } = await world.awaitEnd();
  assert.equal(signal, 'SIGKILL', `${point} was not what ended the server: ${await world.readLog()}`);
}

// oxlint-disable-next-line max-params -- two kinds of submission, told apart by what the second adds
async function submitOne(
  world: World,
  known: Acknowledged,
  name: JobName,
  { start = true, prelude = ':' }: { start?: boolean; prelude?: string } = {},
): Promise<void> {
  const command = ['sh', '-c', `WITNESS='${world.witness}'\n${prelude}\n${script(name)}`];
  const callbacks = [{ url: `${sinks.get(world)?.url ?? ''}/${name}` }];
  const body = { repository: 'demo', agent: 'exec', command, start, callbacks };
  const headers = { 'idempotency-key': `sweep-${name}` };
  const answer = await world.call({ method: 'POST', path: '/v1/jobs', body, headers });
  assert.ok(answer.status === 201 || answer.status === 200, `submit ${name}: ${JSON.stringify(answer.body)}`);
  known.set(name, answer.body as JobView);
}

async function submitAll(world: World, known: Acknowledged): Promise<void> {
  await world.register();
  for (const name of JOBS) await submitOne(world, known, name);
}

/** What a job is sent: its agent prints it, and so shows that it found it. */
function uploadOf(name: JobName): Buffer {
  return Buffer.from(`echo "upload of ${name}" >> "$WITNESS/uploads"\n`);
}

/** Accepts each job on hold, sends it a file, and starts it, as far as the server lives. */
async function uploadUntilDeath(world: World, known: Acknowledged): Promise<void> {
  try {
    for (const name of JOBS) {
      await submitOne(world, known, name, { start: false, prelude: '. ./setup.sh' });
      const job = known.get(name);
      assert.ok(job !== undefined);
      assert.equal((await world.upload(job.id, 'setup.sh', uploadOf(name))).status, 201);
      await world.api('POST', `/v1/jobs/${job.id}/start`);
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
  }
}

/** Goes on where the server died: what was acknowledged is there, the rest is sent again. */
async function completeUploads(world: World, known: Acknowledged): Promise<void> {
  for (const [name, job] of known) {
    if ((await world.getJob(job.id)).state !== 'created') continue;
    assert.ok((await world.upload(job.id, 'setup.sh', uploadOf(name))).status < 300);
    await world.api('POST', `/v1/jobs/${job.id}/start`);
  }
  for (const job of known.values()) await world.awaitState(job.id, 'completed');
  const seen = (await world.readWitness('uploads')).toSorted();
  assert.deepEqual(
    seen,
    [...known.keys()].map((name) => `upload of ${name}`),
  );
}

/** Submits as far as the server lives; a connection that breaks is what this test is about. */
async function submitUntilDeath(world: World, known: Acknowledged): Promise<void> {
  const { server } = world;
  assert.ok(server !== null);
  const steps = [
    async (): Promise<void> => void (await world.awaitReady(server)),
    (): Promise<void> => world.register(),
    ...JOBS.map((name) => (): Promise<void> => submitOne(world, known, name)),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      const dead = await within('the server to be gone', server.ended, 10_000).catch(() => null);
      if (dead === null) throw error;
      return;
    }
  }
}

/** Every id that was answered exists; no job exists that nobody sent. */
async function checkAcknowledged(world: World, known: Acknowledged): Promise<void> {
  for (const job of known.values()) assert.equal((await world.getJob(job.id)).number, job.number);
  const listed = (await world.api('GET', '/v1/jobs')).body as { items: JobView[] };
  assert.ok(listed.items.length <= JOBS.length, `there are ${listed.items.length} jobs`);
}

/** The repository is gone with all its files, and may be registered anew. */
async function checkRemoved(world: World): Promise<void> {
  assert.equal((await world.api('GET', '/v1/repositories/demo')).status, 404);
  const { repos, removals } = world.home;
  await until('its files are gone', async () => [...(await readdir(repos)), ...(await readdir(removals))].length === 0);
  await world.register();
  await world.awaitState((await world.submitShell('true')).id, 'completed');
}

/** The row went before the first step on disk, so the job is gone for good, with all its files and trees. */
async function checkJobRemoved(world: World, known: Acknowledged): Promise<void> {
  const job = known.get('a');
  assert.ok(job !== undefined);
  known.delete('a');
  world.acknowledged.delete(job.id);
  assert.equal((await world.api('GET', `/v1/jobs/${job.id}`)).status, 410);
  const { jobs, removals } = world.home;
  await until('its files are gone', async () => {
    return !(await readdir(jobs)).includes(job.id) && (await readdir(removals)).length === 0;
  });
  const [repository = ''] = await readdir(world.home.repos);
  await until('its trees are gone', async () => {
    return (await git(world.home.mirror(repository), 'for-each-ref', `refs/holdfast/${job.id}/`)) === '';
  });
  // What was told of it stands in no journal any more.
  const told = sinks.get(world)?.received ?? [];
  told.splice(0, told.length, ...told.filter(({ body }) => !body.includes(job.id)));
  await rm(join(world.witness, 'a.starts'), { force: true });
  await rm(join(world.witness, 'a.ends'), { force: true });
}

async function submitMissing(world: World, known: Acknowledged): Promise<void> {
  const repositories = (await world.api('GET', '/v1/repositories')).body as { items: unknown[] };
  if (repositories.items.length === 0) await world.register();
  for (const name of JOBS) if (!known.has(name)) await submitOne(world, known, name);
}

/** The job completed; every attempt started once at most; only a keeper that died can make a finished agent run again. */
async function checkCompleted(world: World, [name, job]: [JobName, JobView], plan: Plan): Promise<void> {
  const ended = await world.awaitState(
    job.id,
    'completed',
    'failed',
    'blocked',
    'quarantined',
    'timed_out',
    'cancelled',
  );
  assert.equal(ended.state, 'completed', `${name}: ${ended.reason} ${ended.blocker}\n${await world.readLog()}`);
  assert.equal(ended.exitCode, 0);
  assert.equal(await world.readOutput(job.id), [1, 2, 3, 4, 5, 6].map((i) => `${name} ${i}\n`).join(''));
  const starts = await world.readWitness(`${name}.starts`);
  assert.equal(new Set(starts).size, starts.length, `an attempt of ${name} started twice: ${starts.join(' ')}`);
  const ends = await world.readWitness(`${name}.ends`);
  assert.equal(new Set(ends).size, ends.length);
  if (plan.occasion !== 'keeper') assert.equal(ends.length, 1, `${name} ran to its end ${ends.length} times`);
}

/** The one that was begun is whole or gone, and another can be made. */
async function checkBackup(world: World): Promise<void> {
  const { items } = (await world.api('GET', '/v1/backups')).body as { items: { state: string; path: string }[] };
  const [begun] = items;
  assert.ok(items.length === 1 && begun !== undefined);
  assert.equal(begun.state, existsSync(begun.path) ? 'made' : 'failed');
  await assertNothingBeside(begun.path);
  assert.equal((await backUp(world, join(world.root, 'again'))).state, 'made');
}

async function awaitOutput(world: World, known: Acknowledged, name: JobName): Promise<void> {
  const job = known.get(name);
  assert.ok(job !== undefined);
  await until(`${name} has printed`, async () => (await world.getJob(job.id)).outputBytes > 0);
}

/** SIGKILLs the agent of a job as a stranger would. */
async function killAgent(world: World, name: JobName): Promise<void> {
  const [attempt] = await world.readWitness(`${name}.starts`);
  assert.ok(attempt !== undefined);
  for (const one of scanProcesses().attempts.get(attempt) ?? []) signalProcess(one, 'SIGKILL');
}
