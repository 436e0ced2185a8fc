/** An agent that deletes the records of its own attempt must not make a second worker start beside it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { tamper } from '../support/tamper.ts';
import { World } from '../support/world.ts';

for (const files of ['claim agent.json', 'claim']) {
  test(`a running attempt without ${files} is quarantined, not started again; cancel ends it`, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const paths = files.split(' ').map((file) => `../attempts/1/${file}`);
    const job = await world.submitShell(`echo $$ >> "$WITNESS/starts"
until [ -e "$WITNESS/go" ]; do sleep 0.05; done
rm ${paths.join(' ')} && echo gone >> "$WITNESS/gone"
sleep 600`);
    await until('the agent has started', async () => (await world.readWitness('starts')).length === 1);
    await world.awaitState(job.id, 'running');
    // Nobody sees it go: a server that did would set the job aside before the next start could tell of it.
    await world.kill();
    await writeFile(join(world.witness, 'go'), '');
    await until('the records are gone', async () => (await world.readWitness('gone')).length === 1);
    await world.start();
    const after = await world.getJob(job.id);
    assert.equal(after.state, 'quarantined', await world.readLog());
    const found = (await world.readReport()).jobs.find((one) => one.id === job.id);
    assert.equal(found?.outcome, 'quarantined');
    assert.equal((await world.readWitness('starts')).length, 1);
    await world.api('POST', `/v1/jobs/${job.id}/cancel`);
    assert.equal((await world.getJob(job.id)).state, 'cancelled');
    // Its keeper cannot be found by a claim that is gone: what counts is that no agent lives.
    const [pid] = await world.readWitness('starts');
    await until('the agent is dead', () => {
      try {
        process.kill(Number(pid), 0);
        return false;
      } catch {
        return true;
      }
    });
  });
}

test('a workspace that became a link is not shown by diff', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  await writeFile(join(world.witness, 'secret'), 'not yours');
  const job = await world.submitShell('mv ../workspace ../elsewhere; ln -s "$WITNESS" ../workspace');
  await world.awaitState(job.id, 'completed');
  const answer = await world.api('GET', `/v1/jobs/${job.id}/diff`);
  assert.equal(answer.status, 409);
  assert.doesNotMatch(JSON.stringify(answer.body), /not yours/);
});

test('a prompt that was changed in the store is never run', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell('echo ran >> "$WITNESS/ran"', { start: false, prompt: 'as it was accepted' });
  await world.kill();
  tamper(world, "UPDATE prompts SET body = 'something else'");
  await world.start();
  // It is looked at when its turn comes.
  assert.equal((await world.api('POST', `/v1/jobs/${job.id}/start`)).status, 200);
  await world.awaitState(job.id, 'quarantined');
  assert.deepEqual(await world.readWitness('ran'), []);
});
