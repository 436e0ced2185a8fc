/** Removal of ended jobs: for good, by whoever is first, through a crash at any step, and never of anything else. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { exists } from '../../src/workspace/remove-tree.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

/** A job that was interrupted once, so that the mirror holds a tree of it, and then completed. */
async function runInterrupted(world: World): Promise<JobView> {
  const script =
    'echo "$HOLDFAST_ATTEMPT" >> "$WITNESS/starts"; echo x > new.txt; [ $(wc -l < "$WITNESS/starts") -gt 1 ] || sleep 60';
  const job = await world.submitShell(script);
  const [attempt = ''] = await until('it runs', async () => {
    const starts = await world.readWitness('starts');
    return starts.length > 0 ? starts : null;
  });
  for (const one of scanProcesses().attempts.get(attempt) ?? []) signalProcess(one, 'SIGKILL');
  return world.awaitState(job.id, 'completed');
}

async function listTrees(world: World, job: JobView): Promise<string> {
  const [repository = ''] = await readdir(world.home.repos);
  return git(world.home.mirror(repository), 'for-each-ref', `refs/holdfast/${job.id}/`);
}

/** Nothing of it is on disk, every door says that it is gone, and says when. */
async function assertGone(world: World, job: JobView): Promise<void> {
  await until('its files are gone', async () => {
    return !(await exists(world.home.job(job.id))) && (await readdir(world.home.removals)).length === 0;
  });
  assert.equal(await listTrees(world, job), '');
  const path = `/v1/jobs/${job.id}`;
  for (const [method, rest] of [
    ['GET', ''],
    ['GET', '/output'],
    ['GET', '/diff'],
    ['GET', '/files'],
    ['DELETE', ''],
    ['POST', '/retry'],
    ['POST', '/cancel'],
    ['POST', '/start'],
    ['DELETE', '/files/x'],
  ] as const) {
    const answer = await world.api(method, path + rest);
    const { code, detail } = answer.body as { code: string; detail: string };
    assert.deepEqual([answer.status, code], [410, 'gone'], `${method} ${rest}`);
    assert.match(detail, new RegExp(`^job ${job.number} was removed at \\d{4}-.*Z$`));
  }
  assert.equal((await world.api('GET', `/v1/jobs/${job.number}`)).status, 410);
  assert.equal((await world.upload(job.id, 'late.txt', Buffer.from('x'))).status, 410);
  assert.equal(await exists(world.home.job(job.id)), false, 'a refused write leaves nothing');
}

for (const point of [
  'removal.before-refs',
  'removal.after-refs',
  'removal.before-rename',
  'removal.after-rename',
  'removal.after-delete',
] as const) {
  test(`killed at ${point} while it removes a job: the next start goes on with it`, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const job = await runInterrupted(world);
    const other = await world.submitShell('echo other');
    await world.awaitState(other.id, 'completed');
    assert.match(await listTrees(world, job), /attempt-1/);
    await world.kill();
    await world.start({ failpoints: `${point}:crash` });
    await assert.rejects(world.api('DELETE', `/v1/jobs/${job.id}`));
    await world.awaitEnd();
    world.acknowledged.delete(job.id);
    await world.start();
    await assertGone(world, job);
    assert.equal(await world.readOutput(other.id), 'other\n', 'nothing else was removed');
    const next = await world.submitShell('true');
    assert.equal(next.number, 3, 'its number is not used again');
    await world.awaitState(next.id, 'completed');
    await checkInvariants(world);
  });
}

test('a job that has not ended is not removed; of many who remove an ended one, one does it', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const running = await world.submitShell('sleep 60');
  await world.awaitState(running.id, 'running');
  for (const path of [`/v1/jobs/${running.id}`, `/v1/jobs/${running.number}`]) {
    assert.equal((await world.api('DELETE', path)).status, 409);
  }
  const job = await world.submitShell('echo x > new.txt');
  await world.awaitState(job.id, 'completed');
  const answers = await Promise.all(Array.from({ length: 8 }, () => world.api('DELETE', `/v1/jobs/${job.id}`)));
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [204, ...Array<number>(7).fill(410)],
  );
  await assertGone(world, job);
  assert.equal((await world.getJob(running.id)).state, 'running');
  await world.api('POST', `/v1/jobs/${running.id}/cancel`);
  await world.awaitState(running.id, 'cancelled');
  await checkInvariants(world);
});

test('links in what is removed are removed, never what they lead to', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const precious = join(world.root, 'precious');
  await mkdir(precious);
  await writeFile(join(precious, 'file'), 'keep');
  const job = await world.submitShell(`ln -s '${precious}' inside; ln -s / root`);
  await world.awaitState(job.id, 'completed');
  await symlink(precious, join(world.home.job(job.id), 'beside'));
  assert.equal((await world.api('DELETE', `/v1/jobs/${job.id}`)).status, 204);
  await assertGone(world, job);
  assert.deepEqual(await readdir(precious), ['file']);
  // The directory itself may have become one while the server was down.
  const second = await world.submitShell('true');
  await world.awaitState(second.id, 'completed');
  await world.kill();
  await rename(world.home.job(second.id), join(world.root, 'moved'));
  await symlink(precious, world.home.job(second.id));
  await world.start();
  assert.equal((await world.api('DELETE', `/v1/jobs/${second.id}`)).status, 204);
  await assertGone(world, second);
  assert.deepEqual(await readdir(precious), ['file']);
});
