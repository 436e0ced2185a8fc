/** A job whose agent deleted its `.git` is sent back, with a server that dies as its workspace is set aside. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from '../support/repository.ts';
import type { JobView, World } from '../support/world.ts';

const write = (content: string): object => ({ write: { path: 'answer', content } });
const COMMIT = { commit: 'work' };
const SCENARIO = {
  steps: [write('lost'), COMMIT, { tool: { argv: ['rm', '-rf', '.git'] } }],
  tasks: { fix: [[write('anew'), COMMIT]] },
};

/** Plays the job to where it stands still, and sends it back: the server may die before it answers. */
export async function sendBack(world: World): Promise<void> {
  await world.registerAnother('broken', { verify: [['true']] });
  const prompt = JSON.stringify(SCENARIO);
  const { id } = await world.submit({ repository: 'broken', prompt, agent: 'scripted', pipeline: 'full' });
  const job = await world.awaitState(id, 'blocked', 'ready', 'quarantined');
  assert.deepEqual([job.state, job.reason], ['blocked', 'work_unusable']);
  await world.api('POST', `/v1/jobs/${id}/fixup`).catch(() => null);
}

/** What lay there is kept once, whole; the job ended well in a workspace of its base. Then the job and its repository go. */
export async function checkSetAside(world: World): Promise<void> {
  const { items } = (await world.api('GET', '/v1/jobs?repository=broken')).body as { items: JobView[] };
  const [job] = items;
  assert.ok(job !== undefined && items.length === 1);
  const end = await world.awaitState(job.id, 'ready', 'blocked', 'quarantined', 'failed');
  assert.deepEqual([end.state, end.blocker], ['ready', null], await world.readLog());
  const kept = world.home.setAside(job.id);
  assert.equal((end as JobView & { workspaceSetAside: string | null }).workspaceSetAside, join(kept, '1'));
  assert.deepEqual(readdirSync(kept), ['1']);
  assert.equal(await readFile(join(kept, '1', 'answer'), 'utf8'), 'lost');
  assert.equal(existsSync(join(kept, '1', '.git')), false);
  const repository = (await world.api('GET', '/v1/repositories/broken')).body as { id: string };
  const show = (ref: string): Promise<string> =>
    git(world.home.mirror(repository.id), 'show', `refs/holdfast/${job.id}/${ref}:answer`);
  assert.deepEqual([await show('attempt-1'), await show('hand-off')], ['lost', 'anew']);
  const stages = (await world.getAttempts(job.id))
    .filter(({ state }) => state === 'finished')
    .map(({ stage }) => stage);
  assert.deepEqual(stages, ['implement', 'implement', 'verify']);
  assert.equal((await world.api('DELETE', `/v1/jobs/${job.id}`)).status, 204);
  assert.equal((await world.api('DELETE', '/v1/repositories/broken')).status, 204);
}
