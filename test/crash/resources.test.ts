/**
 * External resources of jobs: registered by the agent with the token of its job or by an operator, removed by identity
 * when the job has ended, also when the server died anywhere in between; nothing else is ever touched.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { exists } from '../../src/workspace/remove-tree.ts';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { scanProcesses } from '../../src/keeper/processes.ts';
import type { ResourceView } from '../../src/api/contract.ts';
import { StandInEngine } from '../support/engine.ts';
import { until } from '../support/poll.ts';
import { Stranger } from '../support/stranger.ts';
import { World, type Answer, type JobView } from '../support/world.ts';

interface Scene extends AsyncDisposable {
  world: World;
  engine: StandInEngine;
}

async function makeScene(failpoints?: string): Promise<Scene> {
  const world = await World.create();
  const engine = await StandInEngine.make(join(world.root, 'engine'));
  await world.configure({ resources: { containerCommand: engine.command } });
  await world.start(failpoints === undefined ? {} : { failpoints });
  await world.register();
  return { world, engine, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** Runs until the test says so, by a file in the witness directory. */
function waiting(world: World): Promise<JobView> {
  return world.submitShell(`echo up; until [ -e "$WITNESS/go" ]; do sleep 0.05; done`);
}

async function letGo(world: World): Promise<void> {
  await writeFile(join(world.witness, 'go'), '');
}

async function add(world: World, job: JobView, named: { kind: string; target: string }): Promise<ResourceView> {
  const answer = await world.api('POST', `/v1/jobs/${job.id}/resources`, named);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body as ResourceView;
}

async function list(world: World, job: JobView): Promise<ResourceView[]> {
  return ((await world.api('GET', `/v1/jobs/${job.id}/resources`)).body as { items: ResourceView[] }).items;
}

async function awaitResources(world: World, job: JobView, state: string): Promise<ResourceView[]> {
  return until(`every resource of the job is ${state}`, async () => {
    const items = await list(world, job);
    return items.length > 0 && items.every((one) => one.state === state) ? items : null;
  });
}

test('an agent registers what it makes, with the token of its job, and it goes when the job ends', async () => {
  await using scene = await makeScene();
  const { world, engine } = scene;
  const cli = world.command('resource', 'add').join(' ');
  await engine.add('container', 'db');
  const other = await engine.add('container', 'other');
  await engine.add('container', 'old', Date.now() - 3_600_000);
  const job = await world.submitShell(`mkdir -p build && echo x >build/big
${cli} container db && ${cli} path build && ! ${cli} container old && ! ${cli} path .. && ! ${cli} process $$ --job 999
echo up; until [ -e "$WITNESS/go" ]; do sleep 0.05; done`);
  await until('both are registered', async () => (await world.readOutput(job.id)).includes('up'));
  assert.deepEqual(
    (await list(world, job)).map((one) => [one.kind, one.state, one.principal]),
    [
      ['container', 'registered', `job:${job.id}`],
      ['path', 'registered', `job:${job.id}`],
    ],
    await world.readOutput(job.id),
  );
  assert.equal((await engine.list('container')).length, 3, 'nothing is removed while the job runs');
  await letGo(world);
  await world.awaitState(job.id, 'completed');
  await awaitResources(world, job, 'removed');
  assert.ok((await engine.list('container')).includes(other) && (await engine.list('container')).length === 2);
  assert.equal(await exists(join(world.home.workspace(job.id), 'build')), false);
  const metrics = String((await world.api('GET', '/metrics')).body);
  assert.match(metrics, /holdfast_resources\{state="registered"\} 0/);
});

test('a server killed between the registration and the end cleans up at its next start', async () => {
  await using scene = await makeScene();
  const { world, engine } = scene;
  const job = await waiting(world);
  await until('the agent runs', async () => (await world.getJob(job.id)).outputBytes > 0);
  await mkdir(join(world.home.workspace(job.id), 'scrap'));
  await using stranger = await Stranger.start(join(world.witness, 'stranger'));
  await engine.add('container', 'db');
  await engine.add('network', 'lan');
  await add(world, job, { kind: 'container', target: 'db' });
  await add(world, job, { kind: 'network', target: 'lan' });
  await add(world, job, { kind: 'path', target: 'scrap' });
  await add(world, job, { kind: 'process', target: String(stranger.identity.pid) });
  await world.kill();
  await letGo(world);
  await until('the agent is gone', async () => (await world.listProcesses()).length === 0);
  assert.equal(isAlive(stranger.identity), true);
  await world.start();
  await world.awaitState(job.id, 'completed');
  await awaitResources(world, job, 'removed');
  assert.equal(isAlive(stranger.identity), false);
  assert.deepEqual([...(await engine.list('container')), ...(await engine.list('network'))], []);
  assert.equal(await exists(join(world.home.workspace(job.id), 'scrap')), false);
});

for (const point of ['resource.after-intent', 'resource.after-removal', 'resource.after-record']) {
  test(`killed at ${point}: removed once, and nothing else`, async () => {
    await using scene = await makeScene(`${point}:crash`);
    const { world, engine } = scene;
    const job = await waiting(world);
    await engine.add('container', 'db');
    await add(world, job, { kind: 'container', target: 'db' });
    await letGo(world);
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL');
    // Its name is given to something else meanwhile; only the id that was registered may go.
    const successor = await engine.add('container', 'db');
    await world.start();
    await awaitResources(world, job, 'removed');
    assert.deepEqual(await engine.list('container'), [successor]);
    const removals = (await engine.readCalls()).filter((call) => call.includes(' rm '));
    assert.equal(removals.length, 1, removals.join('\n'));
  });
}

test('killed at `resource.after-register`: the promise is kept although nobody was answered', async () => {
  await using scene = await makeScene('resource.after-register:crash');
  const { world, engine } = scene;
  const job = await waiting(world);
  await engine.add('container', 'db');
  await assert.rejects(add(world, job, { kind: 'container', target: 'db' }));
  assert.equal((await world.awaitEnd()).signal, 'SIGKILL');
  await letGo(world);
  await world.start();
  await world.awaitState(job.id, 'completed');
  await awaitResources(world, job, 'removed');
  assert.deepEqual(await engine.list('container'), []);
});

test('a removal that hangs when the server dies is ended before the next one begins', async () => {
  await using scene = await makeScene();
  const { world, engine } = scene;
  const job = await waiting(world);
  await engine.add('container', 'db');
  const { id } = await add(world, job, { kind: 'container', target: 'db' });
  await engine.misbehave('slow');
  await letGo(world);
  const leftovers = (): { pid: number; start: string }[] => scanProcesses().operations.get(`${id}.remove`) ?? [];
  await until(
    'the removal hangs',
    async () => leftovers().length > 0 && (await engine.readCalls()).some((call) => call.includes(' rm ')),
  );
  await world.kill();
  const hanging = leftovers();
  await world.start();
  await until('the first try is ended', () => hanging.every((one) => !isAlive(one)));
});

test('what cannot be removed stays, with its reason, and is tried again by the next start and on demand', async () => {
  await using scene = await makeScene();
  const { world, engine } = scene;
  const job = await waiting(world);
  await engine.add('container', 'db');
  const { id } = await add(world, job, { kind: 'container', target: 'db' });
  await engine.misbehave('down');
  await letGo(world);
  const [failed] = await awaitResources(world, job, 'failed');
  assert.match(failed?.note ?? '', /daemon/);
  const doctor = (await world.api('GET', '/v1/doctor')).body as { checks: { name: string; level: string }[] };
  assert.equal(doctor.checks.find((check) => check.name === 'resources')?.level, 'warn');
  await world.kill();
  await world.start();
  await until('it was tried again', async () => {
    const [one] = await list(world, job);
    return one?.state === 'failed' && one.tries === 2;
  });
  const path = `/v1/jobs/${job.id}/resources/${id}`;
  assert.equal(((await world.api('DELETE', path)).body as ResourceView).state, 'failed');
  const forgotten = (await world.api('DELETE', `${path}?forget=true`)).body as ResourceView;
  assert.deepEqual([forgotten.state, forgotten.note], ['removed', 'forgotten by local']);
  assert.equal((await engine.list('container')).length, 1);
});

test('bad registrations are refused by name and leave nothing', async () => {
  await using scene = await makeScene();
  const { world, engine } = scene;
  const job = await waiting(world);
  await until('the agent runs', async () => (await world.getJob(job.id)).outputBytes > 0);
  await engine.add('container', 'db');
  const keeper = (await world.listKeepers())[0]?.pid ?? 0;
  const bad: [string, string][] = [
    ['process', '1'],
    ['process', String(world.server?.identity.pid)],
    ['process', String(keeper)],
    ['process', 'abc'],
    ['path', '../../..'],
    ['path', '/etc/passwd'],
    ['path', '.git'],
    ['container', '--all'],
    ['container', 'nothing'],
  ];
  for (const [kind, target] of bad) {
    const answer = await world.api('POST', `/v1/jobs/${job.id}/resources`, { kind, target });
    assert.deepEqual([answer.status, codeOf(answer)], [422, 'resource-refused'], `${kind} ${target}`);
  }
  assert.equal((await world.api('POST', `/v1/jobs/${job.id}/resources`, { kind: 'volume', target: 'x' })).status, 400);
  const other = await waiting(world);
  await add(world, job, { kind: 'container', target: 'db' });
  const stolen = await world.api('POST', `/v1/jobs/${other.id}/resources`, { kind: 'container', target: 'db' });
  assert.deepEqual([stolen.status, codeOf(stolen)], [409, 'already-exists']);
  await letGo(world);
  await world.awaitState(job.id, 'completed');
  const late = await world.api('POST', `/v1/jobs/${job.id}/resources`, { kind: 'container', target: 'db' });
  assert.deepEqual([late.status, codeOf(late)], [409, 'state-conflict']);
});

function codeOf(answer: Answer): string {
  return (answer.body as { code: string }).code;
}
