/** Starts that are killed before they are ready are named by the next one, with the phase each was in. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { World } from '../support/world.ts';

test('two starts die in different phases; the report of the third names both, the fourth has nothing to tell', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell('echo here; while ! test -e "$WITNESS/go"; do sleep 0.05; done');
  await world.awaitState(job.id, 'running');
  await world.kill();
  for (const point of ['recovery.after-store', 'recovery.before-verdict']) {
    await world.start({ failpoints: `${point}:crash`, waitReady: false });
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL');
  }
  await world.start();
  const report = await world.readReport();
  assert.deepEqual(
    report.abortedStarts?.map(({ phase, error }) => ({ phase, error })),
    [
      { phase: 'store', error: null },
      { phase: 'attempts', error: null },
    ],
  );
  assert.ok(report.warnings.some((text) => /did not finish its recovery: it ended in phase attempts/.test(text)));
  assert.deepEqual(
    report.phases.map((phase) => phase.name).filter((name) => ['guard', 'store', 'queue', 'attempts'].includes(name)),
    ['guard', 'store', 'queue', 'attempts'],
  );
  assert.equal(report.phases.at(-1)?.name, 'accept');
  const ready = await world.call({ method: 'GET', path: '/readyz' });
  assert.deepEqual(ready.body, { ready: true, phase: 'ready', degraded: [] });
  await writeFile(join(world.witness, 'go'), '');
  await world.awaitState(job.id, 'completed');
  await world.kill();
  await world.start();
  assert.deepEqual((await world.readReport()).abortedStarts, []);
});
