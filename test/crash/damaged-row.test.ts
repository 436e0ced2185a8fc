/** A row that contradicts its journal is noticed before anything is done on its word; its job is set aside, the others go on. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { tamper } from '../support/tamper.ts';
import { World, type JobView } from '../support/world.ts';
import { run } from '../e2e/command.ts';

test('waiting jobs with a damaged row are quarantined and not run; the next one runs', async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 1 } });
  await world.start();
  await world.register();
  const blocking = await world.submitShell('echo here; while ! test -e "$WITNESS/go"; do sleep 0.05; done');
  const damaged = await world.submitShell('echo ran >> "$WITNESS/damaged"');
  const held = await world.submitShell('echo ran >> "$WITNESS/damaged"', { start: false });
  const healthy = await world.submitShell('echo ran >> "$WITNESS/healthy"');
  await until('the blocker works', async () => (await world.getJob(blocking.id)).outputBytes > 0);
  await world.kill();
  tamper(
    world,
    `UPDATE jobs SET command = '["sh","-c","echo evil"]' WHERE number IN (${damaged.number}, ${held.number})`,
  );
  // Room for another: the turn of the damaged one comes at once.
  await world.configure({ limits: { agentsPerHost: 2 } });
  await world.start();
  await world.awaitState(healthy.id, 'completed');
  assert.equal((await world.getJob(damaged.id)).state, 'quarantined', 'it is set aside when its turn comes');
  await world.awaitState(held.id, 'quarantined');
  const report = await until('history is checked', async () => {
    const found = await world.readReport();
    return found.corruption.complete ? found : null;
  });
  assert.equal(report.corruption.corrupt, 2);
  const outcomes = new Map(report.jobs.map((job) => [job.number, job.outcome]));
  assert.equal(outcomes.get(damaged.number), 'quarantined');
  assert.equal(outcomes.get(held.number), 'quarantined');
  assert.equal(outcomes.get(blocking.number), 'reattached');
  await checkTold(world, damaged);
  assert.deepEqual(await world.readWitness('healthy'), ['ran']);
  assert.deepEqual(await world.readWitness('damaged'), []);
  await writeFile(join(world.witness, 'go'), '');
  await world.awaitState(blocking.id, 'completed');
  await world.kill();
  await world.start();
  assert.equal((await world.getJob(damaged.id)).state, 'quarantined');
});

/** What a person reads of a damaged record: that it is one, why, and what to type next. */
async function checkTold(world: World, { number, id }: JobView): Promise<void> {
  const { stdout: report } = await run(world, ['recovery', 'report']);
  const lines = report.split('\n');
  const finding = lines.findIndex((line) => line.includes(`▲ job ${number} quarantined`));
  assert.ok(finding >= 0, report);
  assert.match(lines.slice(finding).join('\n'), /blocker: its record in the store is damaged: .*command differ/);
  const item = lines.findIndex((line) => line.includes(`▲ job ${id}: `));
  assert.ok(item >= 0, report);
  assert.match(lines[item] ?? '', /command differ between row and journal/);
  assert.match(lines[item + 1] ?? '', /Releasing writes the row anew from its journal/);
  assert.match(lines[item + 2] ?? '', /→ inspect_quarantine: holdfast recovery quarantine release quar_\w+/);
  const { stdout: shown } = await run(world, ['show', String(number)]);
  assert.match(shown, /quarantined/);
  assert.match(shown, /blocker +its record in the store is damaged: .*command differ/);
  assert.match(shown, /next +inspect_quarantine: holdfast recovery report/);
}

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
