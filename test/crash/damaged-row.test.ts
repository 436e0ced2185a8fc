/** A row that contradicts its journal is noticed at the next start; its job is set aside, the others go on. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { tamper } from '../support/tamper.ts';
import { World } from '../support/world.ts';

test('a queued job with a damaged row is quarantined and not run; the next one runs', async () => {
  await using world = await World.create();
  await world.start();
  await world.register({ limits: { concurrency: 1 } });
  const blocking = await world.submitShell('echo here; while ! test -e "$WITNESS/go"; do sleep 0.05; done');
  const damaged = await world.submitShell('echo ran >> "$WITNESS/damaged"');
  const healthy = await world.submitShell('echo ran >> "$WITNESS/healthy"');
  await until('the blocker works', async () => (await world.getJob(blocking.id)).outputBytes > 0);
  await world.kill();
  tamper(world, `UPDATE jobs SET command = '["sh","-c","echo evil"]' WHERE number = ${damaged.number}`);
  await world.start();
  assert.equal((await world.getJob(damaged.id)).state, 'quarantined');
  const report = await world.readReport();
  assert.equal(report.corruption.corrupt, 1);
  const outcomes = new Map(report.jobs.map((job) => [job.number, job.outcome]));
  assert.equal(outcomes.get(damaged.number), 'quarantined');
  assert.equal(outcomes.get(blocking.number), 'reattached');
  await writeFile(join(world.witness, 'go'), '');
  await world.awaitState(healthy.id, 'completed');
  assert.deepEqual(await world.readWitness('healthy'), ['ran']);
  assert.deepEqual(await world.readWitness('damaged'), []);
  await world.kill();
  await world.start();
  assert.equal((await world.getJob(damaged.id)).state, 'quarantined');
});

test('a running job with a damaged row is quarantined; its process is left to a person', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell('echo $$ >> "$WITNESS/starts"; sleep 600');
  await world.awaitState(job.id, 'running');
  await until('the agent has started', async () => (await world.readWitness('starts')).length === 1);
  await world.kill();
  tamper(world, `UPDATE jobs SET agent = 'scripted' WHERE number = ${job.number}`);
  await world.start();
  const after = await world.getJob(job.id);
  assert.equal(after.state, 'quarantined');
  assert.match(after.blocker ?? '', /damaged/);
  assert.equal((await world.readWitness('starts')).length, 1);
  assert.ok((await world.listProcesses()).length > 0, 'its process was ended on the word of a damaged record');
});
