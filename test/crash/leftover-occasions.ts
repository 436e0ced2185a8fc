/** What a job leaves behind, with a server that dies as it is taken away: a temp file, and something registered outside. */
import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../support/poll.ts';
import type { World } from '../support/world.ts';

/** A temp file as a crash leaves it, in the directory of a job; the server dies as it is removed by name. */
export async function repairTemp(world: World, id: string): Promise<void> {
  const temp = join(world.home.job(id), '.tmp-row-1-0123456789ab');
  await writeFile(temp, 'half');
  await utimes(temp, 1, 1);
  const found = (await world.api('GET', '/v1/orphans')).body as { items: { id: string; path: string | null }[] };
  const ids = found.items.filter(({ path }) => path === temp).map((one) => one.id);
  assert.equal(ids.length, 1);
  await world.api('POST', '/v1/orphans/repair', { ids, dryRun: false }).catch(() => null);
}

/** The left-over is gone, whoever removed it. */
export async function checkTemp(world: World, id: string): Promise<void> {
  const directory = world.home.job(id);
  await until('it is gone', async () => (await readdir(directory)).every((name) => !name.startsWith('.tmp-row')));
}

/** A directory of a job that must not outlive it; the server may die as it takes note of that. */
export async function registerScrap(world: World, id: string): Promise<void> {
  await mkdir(join(world.home.workspace(id), 'scrap'));
  await world.api('POST', `/v1/jobs/${id}/resources`, { kind: 'path', target: 'scrap' }).catch(() => null);
}

/** What the job registered went with its end. */
export async function checkScrap(world: World, id: string): Promise<void> {
  await world.awaitState(id, 'completed');
  await until('what it registered is gone', async () => {
    const { items } = (await world.api('GET', `/v1/jobs/${id}/resources`)).body as { items: { state: string }[] };
    return items.length === 1 && items[0]?.state === 'removed';
  });
  assert.deepEqual((await readdir(world.home.workspace(id))).includes('scrap'), false);
}
