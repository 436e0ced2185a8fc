/** Merges into a repository that is registered by an address: a push with an exact lease, through kills and silence. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GateView, PageView } from '../../src/api/contract.ts';
import { createRemote, type Remote } from '../support/remote.ts';
import { git } from '../support/repository.ts';
import { until } from '../support/poll.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const RESTING = ['ready', 'completed', 'blocked', 'quarantined', 'failed', 'timed_out'];
const WORK = [{ write: { path: 'answer', content: 'good' } }, { commit: 'work' }];

async function begin(world: World, failpoints?: string): Promise<Remote> {
  const remote = await createRemote(world);
  await world.start({ env: { PATH: remote.path }, ...(failpoints === undefined ? {} : { failpoints }) });
  const verify = [['sh', '-c', 'test -e answer']];
  const body = { name: 'demo', source: remote.url, base: 'main', verify, merge: true };
  const added = await world.api('POST', '/v1/repositories', body);
  assert.equal(added.status, 201, JSON.stringify(added.body));
  return remote;
}

function submit(world: World, steps: object[] = WORK): Promise<JobView> {
  return world.submit({ prompt: JSON.stringify({ steps }), agent: 'scripted', pipeline: 'full' });
}

async function ledger(world: World, job: JobView): Promise<string[]> {
  const { items } = (await world.api('GET', `/v1/jobs/${job.id}/gates`)).body as PageView<GateView>;
  return items.map(({ stage, result }) => `${stage} ${result}`);
}

/** Subjects of the commits of the remote's base branch, newest first. */
async function historyOf({ bare }: Remote): Promise<string[]> {
  return (await git(bare, 'log', '--format=%s', '--first-parent', 'main')).trim().split('\n');
}

test('three kills while others go on from the merge: merged once, and no strike', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  const remote = await begin(world, 'merge.before-advance:crash');
  const { id } = await submit(world);
  assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
  const env = { PATH: remote.path };
  await world.start({ env, failpoints: 'merge.after-advance:crash', waitReady: false });
  assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
  assert.deepEqual(await historyOf(remote), ['work', 'first']);
  // Nobody has recorded that it is there, and already it is not the newest.
  await remote.commitFile('later', 'l');
  await world.start({ env, failpoints: 'merge.before-record:crash', waitReady: false });
  assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
  await world.start({ env });
  const job = await world.awaitState(id, ...RESTING);
  assert.deepEqual([job.state, job.reason, job.blocker], ['completed', null, null]);
  assert.deepEqual(await ledger(world, job), ['verify PASS', 'merge PASS']);
  assert.deepEqual(await historyOf(remote), ['change later', 'work', 'first']);
  assert.equal((await world.getAttempts(id)).length, 2);
  await checkInvariants(world);
});

test('a base that others moved meanwhile is merged with, once', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  const remote = await begin(world, 'merge.before-advance:crash');
  const { id } = await submit(world);
  assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
  await remote.commitFile('other', 'o');
  await world.start({ env: { PATH: remote.path } });
  const job = await world.awaitState(id, ...RESTING);
  assert.deepEqual([job.state, job.blocker], ['completed', null]);
  assert.deepEqual(await historyOf(remote), [`Merge job ${job.number}`, 'change other', 'first']);
  // What was made anew is another tree: its gates ran on it.
  assert.deepEqual(await ledger(world, job), ['verify PASS', 'merge PASS', 'merge PASS']);
});

test(
  'a merge whose remote is silent waits for it, without asking in circles, and goes on',
  { timeout: 240_000 },
  async () => {
    await using world = await World.create();
    const remote = await begin(world);
    const [begun, go] = [join(world.witness, 'begun'), join(world.witness, 'go')];
    const wait = { tool: { argv: ['sh', '-c', `: > '${begun}'; until [ -e '${go}' ]; do sleep 0.05; done`] } };
    const { id } = await submit(world, [wait, ...WORK]);
    await until('the agent works', async () => (await readdir(world.witness)).includes('begun'));
    await remote.goDown();
    await writeFile(go, '');
    await until('the merge waits for its source', async () => {
      const { state, stage, waitingFor } = await world.getJob(id);
      return state === 'queued' && stage === 'merge' && waitingFor.some(({ what }) => what === 'source:demo');
    });
    const failures = async (): Promise<number> => {
      const repository = (await world.api('GET', '/v1/repositories/demo')).body as { trouble: { failures: number } };
      return repository.trouble.failures;
    };
    await until('it was asked again', async () => (await failures()) >= 2);
    const timeline = await world.api('GET', `/v1/jobs/${id}/timeline?limit=200`);
    const { items } = timeline.body as PageView<{ kind: string }>;
    const claims = items.filter(({ kind }) => kind === 'job.claim').length;
    // One for each of the two stages before, and one for each time the remote was asked.
    assert.ok(claims <= 2 + (await failures()), `claimed ${claims} times`);
    await remote.comeBack();
    const job = await world.awaitState(id, ...RESTING);
    assert.deepEqual([job.state, job.blocker], ['completed', null]);
    assert.deepEqual(await historyOf(remote), ['work', 'first']);
    const repository = (await world.api('GET', '/v1/repositories/demo')).body as { trouble: unknown };
    assert.equal(repository.trouble, null);
  },
);

test('a remote that dies between the look and the push is asked again', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  const remote = await begin(world, 'merge.before-advance:crash');
  const { id } = await submit(world);
  assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
  await remote.goDown();
  await world.start({ env: { PATH: remote.path } });
  await until('the merge waits for its source', async () => {
    const { state, waitingFor } = await world.getJob(id);
    return state === 'queued' && waitingFor.some(({ what }) => what === 'source:demo');
  });
  await remote.comeBack();
  const job = await world.awaitState(id, ...RESTING);
  assert.deepEqual([job.state, job.blocker], ['completed', null]);
  assert.deepEqual(await historyOf(remote), ['work', 'first']);
});

test('a remote that refuses the push blocks the job with its words; a retry merges', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  const remote = await begin(world);
  const hook = join(remote.bare, 'hooks', 'pre-receive');
  await mkdir(join(remote.bare, 'hooks'), { recursive: true });
  await writeFile(hook, '#!/bin/sh\necho "main is protected" >&2\nexit 1\n');
  await chmod(hook, 0o755);
  const { id } = await submit(world);
  const blocked = await world.awaitState(id, ...RESTING);
  assert.deepEqual(
    [blocked.state, blocked.reason, blocked.nextSafeAction],
    ['blocked', 'merge_refused', 'fix_config'],
    blocked.blocker ?? '',
  );
  assert.match(blocked.blocker ?? '', /pre-receive hook declined/);
  await rm(hook);
  assert.equal((await world.api('POST', `/v1/jobs/${id}/retry`)).status, 200);
  const job = await world.awaitState(id, ...RESTING);
  assert.deepEqual([job.state, job.blocker], ['completed', null]);
  assert.deepEqual(await historyOf(remote), ['work', 'first']);
});
