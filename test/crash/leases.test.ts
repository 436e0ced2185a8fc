/**
 * Packets that may touch the same paths, with real agents: the later one waits for as long as anything of the earlier
 * one lives, whatever becomes of the server and its clock, and no longer.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LeaseView, PageView } from '../../src/api/contract.ts';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { endProcesses } from '../../src/keeper/processes.ts';
import { run } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { shifted, YEAR_MS } from '../support/shifted-clock.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

/** Submits a packet whose agent says that it begins, works until it is told to go on, and says that it ends. */
async function submitPacket(
  world: World,
  { name, scope, ...more }: { name: string; scope: string[]; onInterrupt?: 'ask' },
): Promise<JobView> {
  const tool = (script: string): object => ({ tool: { argv: ['sh', '-c', `cd '${world.witness}'; ${script}`] } });
  const steps = [
    tool(`echo 'begin ${name}' >> work; while [ ! -e 'go.${name}' ]; do sleep 0.1; done`),
    { write: { path: name, content: 'done' } },
    { commit: name },
    tool(`echo 'end ${name}' >> work`),
  ];
  const packet = {
    title: `Work on ${name}`,
    goal: `There is a file that is called ${name}.`,
    context: `\`\`\`scenario\n${JSON.stringify({ steps })}\n\`\`\``,
    acceptance: ['it is there'],
    scope,
    risk: 'low',
  };
  return world.submit({ packet, agent: 'scripted', ...more });
}

async function goOn(world: World, name: string): Promise<void> {
  await writeFile(join(world.witness, `go.${name}`), '');
}

async function begun(world: World, name: string): Promise<void> {
  await until(`${name} works`, async () => (await world.readWitness('work')).includes(`begin ${name}`));
}

async function leaseOf(world: World, job: JobView, kind: LeaseView['kind']): Promise<LeaseView | undefined> {
  const { items } = (await world.api('GET', '/v1/leases')).body as PageView<LeaseView>;
  return items.find((lease) => lease.jobId === job.id && lease.kind === kind);
}

test(
  'packets that may touch the same wait for each other: while anything of the first one lives, and no longer',
  { timeout: 240_000 },
  async () => {
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: 4 } });
    await world.start();
    await world.register();
    const first = await submitPacket(world, { name: 'first', scope: ['src/api/**'] });
    const second = await submitPacket(world, { name: 'second', scope: ['src/**'], onInterrupt: 'ask' });
    const beside = await submitPacket(world, { name: 'beside', scope: ['docs'] });
    const fourth = await submitPacket(world, { name: 'fourth', scope: ['src/web/a.ts'] });
    await begun(world, 'first');
    await begun(world, 'beside');
    await checkTold(world, { first, second, fourth });

    const keeper = (await leaseOf(world, first, 'surface'))?.holder;
    assert.ok(keeper !== null && keeper !== undefined);
    for (const years of [1, -1, 0]) {
      await world.kill();
      await world.start(shifted(years * YEAR_MS));
      assert.deepEqual((await leaseOf(world, first, 'surface'))?.holder, keeper, 'the same keeper holds it');
      assert.equal((await world.getJob(second.id)).state, 'queued', 'nobody gets the surface of one that lives');
    }
    assert.deepEqual((await world.readWitness('work')).toSorted(), ['begin beside', 'begin first']);

    await goOn(world, 'first');
    await world.awaitState(first.id, 'ready');
    await begun(world, 'second');
    assert.deepEqual((await world.getJob(fourth.id)).waitingFor, [
      { what: 'job:2', why: 'both may touch src/web/a.ts (of src/**)' },
    ]);
    // Everything of it is killed while no server lives: the next start verifies that before it gives its paths away.
    await world.kill();
    const known = (await world.listAttempts()).filter((one) => one.job === second.id);
    const keepers = known.flatMap((one) => (one.keeper === null ? [] : [one.keeper]));
    await endProcesses(({ attempts }) => [
      ...keepers.filter(isAlive),
      ...known.flatMap((one) => attempts.get(one.id) ?? []),
    ]);
    await world.start();
    const asked = await world.awaitState(second.id, 'blocked');
    assert.equal(asked.reason, 'needs_human');
    await begun(world, 'fourth');
    await world.api('POST', `/v1/jobs/${second.id}/retry`);
    await until('it waits in its turn', async () => (await world.getJob(second.id)).waitingFor[0]?.what === 'job:4');
    for (const name of ['fourth', 'second', 'beside']) await goOn(world, name);
    for (const { id } of [fourth, second, beside]) await world.awaitState(id, 'ready');
    const order = (await world.readWitness('work')).filter((line) => !line.endsWith('beside'));
    assert.deepEqual(order, [
      'begin first',
      'end first',
      'begin second',
      'begin fourth',
      'end fourth',
      'begin second',
      'end second',
    ]);
    assert.deepEqual(((await world.api('GET', '/v1/leases')).body as PageView<LeaseView>).items, []);
    await checkInvariants(world);
  },
);

test('what waited for the paths of another begins on its merge, not before it', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register({ verify: [['true']], merge: true });
  // Both are queued when the first one fetches: that fetch would do for the second one, too.
  const one = await submitPacket(world, { name: 'one', scope: ['shared'] });
  const two = await submitPacket(world, { name: 'two', scope: ['shared'] });
  await begun(world, 'one');
  for (const name of ['one', 'two']) await goOn(world, name);
  for (const { id } of [one, two]) {
    const { state, blocker } = await world.awaitState(id, 'completed', 'blocked', 'ready');
    assert.deepEqual([state, blocker], ['completed', null]);
  }
  const history = await git(world.repository, 'log', '--format=%s', 'main');
  assert.deepEqual(history.trim().split('\n'), ['two', 'one', 'first'], 'nothing had to be merged');
});

/** Who waits for whom, and why: as `queue`, `show` and `leases` tell it. */
async function checkTold(world: World, jobs: { first: JobView; second: JobView; fourth: JobView }): Promise<void> {
  const { first, second, fourth } = jobs;
  const why = 'both may touch src/** (of src/api/**)';
  assert.deepEqual((await world.getJob(second.id)).waitingFor, [{ what: 'job:1', why }]);
  assert.deepEqual((await world.getJob(fourth.id)).waitingFor, [
    { what: 'job:2', why: 'both may touch src/web/a.ts (of src/**)' },
  ]);
  const queue = await run(world, ['queue']);
  assert.match(queue.stdout, /job 1: both may touch src\/\*\* \(of src\/api\/\*\*\)/);
  const shown = await run(world, ['show', '2']);
  assert.match(shown.stdout, /waits for +job 1: both may touch src\/\*\* \(of src\/api\/\*\*\)/);
  const leases = await run(world, ['leases']);
  assert.match(leases.stdout, new RegExp(`surface:${first.id} src/api/\\*\\* .*job 2`));
  assert.match(leases.stdout, /branch:demo:holdfast\/1-work-on-first /);
  const surface = await leaseOf(world, first, 'surface');
  assert.deepEqual([surface?.paths, surface?.waiting, surface?.atWork], [['src/api/**'], [2], true]);
  const workspace = await leaseOf(world, first, 'workspace');
  assert.deepEqual([workspace?.holder, workspace?.fence], [surface?.holder, surface?.fence]);
}
