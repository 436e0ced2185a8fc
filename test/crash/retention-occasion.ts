/** A failed job whose workspace goes by age and comes back for its retry, with a server that dies somewhere on the way. */
import assert from 'node:assert/strict';
import { until, within } from '../support/poll.ts';
import type { JobView, World } from '../support/world.ts';

/** Adds a letter to a file of its tree in every attempt, and fails: the file tells how many attempts saw each other's work. */
const SCENARIO = { steps: [{ append: { path: 'letters.txt', content: 'x' } }, { exit: 1 }] };

async function listJobs(world: World): Promise<(JobView & { workspaceRemovedAt: string | null })[]> {
  return ((await world.api('GET', '/v1/jobs')).body as { items: (JobView & { workspaceRemovedAt: string | null })[] })
    .items;
}

/** Starts a server under which workspaces are old at once, and lives on with it until it is dead. */
export async function ageUntilDeath(
  world: World,
  options: { config: Record<string, unknown>; failpoints: string },
): Promise<void> {
  await world.configure({ ...options.config, retention: { workspaces: 1 } });
  const server = await world.start({ failpoints: options.failpoints });
  const steps = async (): Promise<void> => {
    await world.register();
    const { id } = await world.submit({ agent: 'scripted', prompt: JSON.stringify(SCENARIO) });
    await until('its workspace is gone', async () => {
      const job = (await listJobs(world)).find((one) => one.id === id);
      return job?.workspaceRemovedAt !== null && job?.workspace === null;
    });
    await world.api('POST', `/v1/jobs/${id}/retry`);
    await server.ended;
  };
  const [dead] = await Promise.allSettled([within('the server to be dead', server.ended), steps()]);
  assert.equal(dead.status, 'fulfilled', await world.readLog());
  // The next one finishes what was begun, and begins nothing.
  await world.configure(options.config);
}

/** Its retry finds the work of its first attempt, wherever the server died; then the job is removed. */
export async function checkBack(world: World): Promise<void> {
  const [job] = await listJobs(world);
  assert.ok(job !== undefined);
  const { id } = job;
  if ((await world.getJob(id)).attempts < 2) {
    const retried = await until('it can be retried', async () => {
      const { state, attempts } = await world.getJob(id);
      return state !== 'failed' || attempts > 1 || (await world.api('POST', `/v1/jobs/${id}/retry`)).status === 200;
    });
    assert.ok(retried);
  }
  await until('it has failed again', async () => {
    const { state, attempts } = await world.getJob(id);
    assert.ok(state !== 'blocked' && state !== 'quarantined', await world.readLog());
    return state === 'failed' && attempts >= 2;
  });
  assert.match(String((await world.api('GET', `/v1/jobs/${id}/diff`)).body), /^\+xx$/m, await world.readLog());
  assert.equal((await world.api('DELETE', `/v1/jobs/${id}`)).status, 204);
}
