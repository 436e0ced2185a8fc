/** Cancelling: from every state, through crashes, and never recorded before everything of the job is dead. */
import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import { awaitGit, findOperation, hangSource } from '../support/hang.ts';
import { until } from '../support/poll.ts';
import { readCopy, readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { isFull } from './size.ts';
import { readStoppedHome, type StoppedHome } from './stopped-home.ts';

/** Neither the agent nor its tool in a session of its own ends when it is asked to. */
const STUBBORN = `trap '' TERM
setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' &
while :; do say working; sleep 0.1; done`;

const WITH_TOOL = `setsid sleep 600 &
while :; do say working; sleep 0.1; done`;

// Beside each other, because some of it is waiting for those who do not want to end.
describe('cancelling', { concurrency: 2 }, () => {
  it('held and queued jobs end at once and never start', { timeout: 120_000 }, async () => {
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: 1 } });
    await world.start();
    await world.register();
    const blocker = await world.submitShell(testifying('while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done'));
    await until('the blocker runs', async () => (await readStarts(world)).length === 1);
    const held = await world.submitShell(testifying('say held'), { start: false });
    const queued = await world.submitShell(testifying('say queued'));
    const next = await world.submitShell(testifying('say next'));
    for (const job of [held, queued]) assert.equal((await cancel(world, job)).state, 'cancelled');
    await world.kill();
    await world.start();
    await writeFile(join(world.witness, 'go'), '');
    await world.awaitState(next.id, 'completed');
    for (const job of [held, queued]) await checkCancelled(world, job, 0);
    assert.deepEqual(
      (await readStarts(world)).map((one) => one.job),
      [blocker.id, next.id],
    );
    await retry(world, held, { attempts: 1, epoch: 2 });
    const failed = await world.submitShell(testifying('exit 2'));
    await world.awaitState(failed.id, 'failed');
    await retry(world, failed, { attempts: 2, epoch: 2 });
    await world.awaitState(failed.id, 'failed');
    await checkInvariants(world);
  });

  it(
    'a job whose git hangs is cancelled, also across a crash, and frees the repository',
    { timeout: 120_000 },
    async () => {
      await using world = await World.create();
      await world.start();
      await world.register();
      await world.awaitState((await world.submitShell(testifying('say first'))).id, 'completed');
      const unhang = hangSource(world.repository);
      const one = await world.submitShell(testifying('say one'));
      await awaitGit(world, one);
      const two = await world.submitShell(testifying('say two'));
      await cancel(world, one);
      await awaitCancelled(world, one);
      // The next in line hangs in its turn; its server dies with the wish recorded and not carried out.
      await awaitGit(world, two);
      const left = findOperation(two);
      assert.ok(world.server !== null);
      signalProcess(world.server.identity, 'SIGSTOP');
      await world.kill();
      assert.ok(left.length > 0);
      await world.start({ failpoints: 'recovery.before-report:crash', waitReady: false });
      await world.awaitEnd();
      assert.deepEqual(findOperation(two), [], 'git of the dead server lives on');
      await unhang();
      await world.start();
      await world.awaitState(two.id, 'completed');
      await checkCancelled(world, one, 0);
      await checkInvariants(world);
    },
  );

  it('an agent and a tool that ignore SIGTERM are dead before the record says so', { timeout: 120_000 }, async () => {
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: 3 } });
    await world.start();
    await world.register();
    const polite = await startWorking(world, 'while :; do say working; sleep 0.1; done');
    const stubborn = await startWorking(world, STUBBORN);
    const crashed = await startWorking(world, STUBBORN);
    for (const job of [polite, stubborn, crashed]) assert.equal((await cancel(world, job)).state, 'running');
    await awaitCancelled(world, polite);
    // Within the grace: the wish is recorded, the agent still works.
    assert.equal((await world.getJob(crashed.id)).state, 'running');
    await world.kill();
    await world.start();
    for (const job of [stubborn, crashed]) await awaitCancelled(world, job);
    await world.kill();
    await world.start();
    for (const job of [polite, stubborn, crashed]) await checkCancelled(world, job, 1);
    await retry(world, polite, { attempts: 2, epoch: 2 });
    await cancel(world, polite);
    await awaitCancelled(world, polite);
    await checkInvariants(world);
  });

  it('a wish to cancel recorded before a crash is carried out after it', { timeout: 120_000 }, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const job = await dieAtCancel(world);
    assert.equal((await readStoppedJob(world, job))?.state, 'running');
    // Nobody was told: the agent works on, as if nothing had been asked.
    const said = (await readCopyOf(world, job)).length;
    await until('the agent works on', async () => (await readCopyOf(world, job)).length > said);
    await world.start();
    await awaitCancelled(world, job);
    await checkInvariants(world);
  });

  it('a quarantined job is cancelled only once its agent is dead', { timeout: 120_000 }, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const job = await startWorking(world, WITH_TOOL);
    await world.kill();
    await truncate(join(world.home.runDirectory(job.id, 1), RUN_FILES.claim), 10);
    await world.start();
    assert.equal((await world.getJob(job.id)).state, 'quarantined');
    await cancel(world, job);
    await awaitCancelled(world, job);
    const again = await world.api('POST', `/v1/jobs/${job.id}/retry`);
    assert.equal(again.status, 200);
    await until('it works again', async () => (await readStarts(world, job.id)).length === 2);
    await cancel(world, job);
    await awaitCancelled(world, job);
    await checkInvariants(world);
  });

  it('jobs cancelled the moment they are claimed end all the same', { timeout: 180_000 }, async () => {
    const count = isFull ? 200 : 24;
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: count } });
    await world.start();
    await world.register({ limits: { concurrency: count } });
    const one = async (): Promise<JobView> => {
      const job = await world.submitShell(testifying('sleep 600'));
      await cancel(world, job);
      return job;
    };
    const jobs: JobView[] = [];
    while (jobs.length < count) jobs.push(...(await Promise.all(Array.from({ length: 8 }, one))));
    for (const job of jobs) await awaitCancelled(world, job);
    await checkInvariants(world);
  });
});

/**
 * Lets a server die right after the commit of a wish to cancel, before anybody is told of it, and returns the job. How
 * many commits a start and the work behind it use up varies: tried with one more until the last one is that of the wish.
 */
async function dieAtCancel(world: World): Promise<JobView> {
  let job = await startWorking(world, 'while :; do say working; sleep 0.1; done');
  await world.kill();
  for (let commits = 2; ; commits++) {
    const server = await world.start({ failpoints: `store.after-commit:crash@${commits}`, waitReady: false });
    const wasTold = await world
      .awaitReady(server)
      .then(() => cancel(world, job))
      .then(
        () => true,
        () => false,
      );
    if (wasTold) {
      await world.kill();
      await world.start();
      await awaitCancelled(world, job);
      job = await startWorking(world, 'while :; do say working; sleep 0.1; done');
      await world.kill();
      // Too many commits were waited for: again from the fewest.
      commits = 1;
      continue;
    }
    await world.awaitEnd();
    if ((await readStoppedJob(world, job))?.cancelRequestedAt !== null) return job;
  }
}

async function readStoppedJob(world: World, job: JobView): Promise<StoppedHome['jobs'][number] | undefined> {
  return (await readStoppedHome(world.home)).jobs.find(({ id }) => id === job.id);
}

async function readCopyOf(world: World, job: JobView): Promise<string> {
  const [start] = await readStarts(world, job.id);
  return readCopy(world, start?.attempt ?? '');
}

async function cancel(world: World, job: JobView): Promise<JobView> {
  const answer = await world.api('POST', `/v1/jobs/${job.id}/cancel`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body as JobView;
}

async function startWorking(world: World, script: string): Promise<JobView> {
  const job = await world.submitShell(testifying(script));
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  return job;
}

/** Waits for the record and looks at once whether anything of the job lives: dead comes first. */
async function awaitCancelled(world: World, job: JobView): Promise<void> {
  await world.awaitState(job.id, 'cancelled');
  const { attempts } = scanProcesses();
  for (const known of (await world.listAttempts()).filter((one) => one.job === job.id)) {
    assert.deepEqual(attempts.get(known.id) ?? [], [], `job ${job.number} is cancelled, but lives`);
  }
  assert.deepEqual(findOperation(job), []);
}

async function checkCancelled(world: World, job: JobView, attempts: number): Promise<void> {
  const now = await world.getJob(job.id);
  assert.deepEqual(
    [now.state, now.outcome, now.reason, now.attempts, now.queuePosition],
    ['cancelled', 'cancelled', 'cancelled_by_client', attempts, null],
  );
}

/** A retry is a new epoch with a first attempt of its own. */
async function retry(world: World, job: JobView, expected: { attempts: number; epoch: number }): Promise<void> {
  const answer = await world.api('POST', `/v1/jobs/${job.id}/retry`);
  assert.equal((answer.body as JobView).state, 'queued');
  await until('it runs', async () => {
    const list = await world.getAttempts(job.id);
    return list.length === expected.attempts && list.at(-1)?.epoch === expected.epoch && list.at(-1)?.agent;
  });
}
