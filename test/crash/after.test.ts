/**
 * Jobs that come after others, with real agents: whatever becomes of the server while they wait and in the very
 * transaction that carries them on, each begins once, after the end of what it waits for, or not at all.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { FailpointName } from '../../src/kernel/failpoints.ts';
import { run } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import { readEnds, readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { choose } from './size.ts';

/** A job that works until it is told to go on, and ends so. */
function submitGated(world: World, name: string, exit: number): Promise<JobView> {
  return world.submitShell(testifying(`while [ ! -e "$WITNESS/go.${name}" ]; do sleep 0.05; done; exit ${exit}`));
}

function submitAfter(world: World, others: readonly JobView[]): Promise<JobView> {
  return world.submitShell(testifying('say done'), { after: others.map(({ number }) => String(number)) });
}

async function goOn(world: World, name: string): Promise<void> {
  await writeFile(join(world.witness, `go.${name}`), '');
}

async function begun(world: World, job: JobView): Promise<void> {
  await until(`job ${job.number} works`, async () => (await readStarts(world, job.id)).length === 1);
}

/** Each began once, and what came after others after their ends, by their own testimony. */
async function checkOrder(world: World, { before, later }: { before: JobView[]; later: JobView[] }): Promise<void> {
  const lives = await world.readWitness('lives');
  const at = (kind: 'start' | 'end', { id }: JobView): number =>
    lives.findIndex((line) => line.startsWith(`${kind} ${id} `));
  for (const job of [...before, ...later]) assert.equal((await readStarts(world, job.id)).length, 1);
  for (const job of later) {
    for (const other of before) assert.ok(at('start', job) > at('end', other), `job ${job.number} began too early`);
  }
}

interface Window {
  point: FailpointName;
  always: boolean;
}

/** Around the transaction in which the end of a job and what follows for others are recorded. */
const WINDOWS: readonly Window[] = [
  { point: 'attempt.before-settle', always: true },
  { point: 'attempt.after-settle', always: false },
];

for (const { point } of choose(WINDOWS)) {
  test(`killed at ${point}: who waits for a job begins once, and after it`, { timeout: 240_000 }, async () => {
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: 4 } });
    await world.start();
    await world.register();
    const [good, bad] = [await submitGated(world, 'good', 0), await submitGated(world, 'bad', 1)];
    const later = [await submitAfter(world, [good]), await submitAfter(world, [good])];
    const never = await submitAfter(world, [good, bad]);
    const behind = await submitAfter(world, [never]);
    await begun(world, good);
    await begun(world, bad);
    await world.kill();
    await world.start({ failpoints: `${point}:crash` });
    for (const job of [...later, never]) {
      const { state, queueSeq, waitingFor } = await world.getJob(job.id);
      assert.deepEqual([state, queueSeq, waitingFor[0]?.what], ['waiting', null, 'job:1']);
    }
    await goOn(world, 'good');
    const { signal } = await world.awaitEnd();
    assert.equal(signal, 'SIGKILL', await world.readLog());
    await world.start();
    for (const job of [good, ...later]) await world.awaitState(job.id, 'completed');
    assert.deepEqual(
      (await world.getJob(never.id)).waitingFor.map(({ what }) => what),
      ['job:2'],
    );
    await goOn(world, 'bad');
    await world.awaitState(bad.id, 'failed');
    const blocked = await world.awaitState(never.id, 'blocked');
    assert.deepEqual([blocked.reason, blocked.blocker], ['dependency_failed', 'job 2, after which it comes, failed']);
    await world.kill();
    await world.start();
    assert.equal((await world.getJob(behind.id)).state, 'waiting');
    assert.deepEqual(await readStarts(world, never.id), []);
    await checkOrder(world, { before: [good], later });

    await world.api('POST', `/v1/jobs/${never.id}/retry`);
    for (const job of [never, behind]) await world.awaitState(job.id, 'completed');
    await checkOrder(world, { before: [never], later: [behind] });
    assert.equal((await readEnds(world)).length, 6);
    await checkInvariants(world);
  });
}

test('a damaged job that waits is set aside by the end of the other, which is recorded all the same', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const first = await submitGated(world, 'first', 0);
  const held = await world.submitShell(testifying('say held'), { start: false });
  const [damaged, sound] = [await submitAfter(world, [first, held]), await submitAfter(world, [first])];
  await begun(world, first);
  await world.kill();
  const database = new DatabaseSync(world.home.database);
  database.exec(`UPDATE jobs SET awaits = '["${first.id}"]' WHERE id = '${damaged.id}'`);
  database.close();
  await world.start();
  await goOn(world, 'first');
  for (const job of [first, sound]) await world.awaitState(job.id, 'completed');
  const aside = await world.awaitState(damaged.id, 'quarantined');
  assert.equal(aside.reason, 'record_corrupt');
  assert.deepEqual(await readStarts(world, damaged.id), []);
});

/** A packet whose agent runs a script and then leaves a file of its name. */
function packet(name: string, script: string, dependencies: string[] = []): object {
  const steps = [{ tool: { argv: ['sh', '-c', script] } }, { write: { path: name, content: name } }, { commit: name }];
  return {
    id: name,
    title: `Work on ${name}`,
    goal: `There is a file that is called ${name}.`,
    context: `\`\`\`scenario\n${JSON.stringify({ steps })}\n\`\`\``,
    acceptance: ['it is there'],
    scope: ['**'],
    risk: 'low',
    dependencies,
  };
}

test('work that is merged is there for what comes after it; what nobody checked is waited for until a person says go', async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 4 } });
  await world.start();
  await world.register({ verify: [['true']], merge: true });
  await world.registerAnother('unchecked');
  const file = join(world.root, 'packets.json');
  const look = `ls > '${join(world.witness, 'seen')}'`;
  await writeFile(file, JSON.stringify([packet('second', look, ['first']), packet('first', 'sleep 0.5')]));
  const sent = await run(world, ['run', '--repo', 'demo', '--agent', 'scripted', '--packet', file, '--wait']);
  assert.equal(sent.code, 0, sent.stderr);
  const { items } = (await world.api('GET', '/v1/jobs?state=completed')).body as { items: JobView[] };
  assert.equal(items.length, 2, 'both are merged');
  assert.ok((await world.readWitness('seen')).includes('first'), 'the second began on the work of the first');

  await writeFile(file, JSON.stringify([packet('third', 'true')]));
  await run(world, ['run', '--repo', 'unchecked', '--agent', 'scripted', '--packet', file, '--wait']);
  await run(world, ['run', '--repo', 'demo', '--after', '3', '--', 'true']);
  const shown = await run(world, ['show', '4']);
  assert.match(shown.stdout, /waits for +job 3: it comes after that one, which is ready \(manual_review\)/);
  assert.equal((await run(world, ['start', '4'])).code, 0);
  assert.equal((await run(world, ['wait', '4'])).code, 0);
});
