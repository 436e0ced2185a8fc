/** Packets from a file to the hand-off: good ones run, a weak one is blocked beside them, a wrong one refuses all. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JobView } from '../../src/api/contract.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

const SCENARIO = JSON.stringify({ steps: [{ write: { path: 'greeting', content: 'Hello' } }, { commit: 'Greet' }] });
const GOOD = {
  title: 'Greet everybody',
  goal: 'There is a file that greets everybody who reads it.',
  context: `\`\`\`scenario\n${SCENARIO}\n\`\`\``,
  acceptance: ['the file greeting exists'],
  scope: ['greeting'],
  risk: 'low',
};

test('packets: the good ones run, a weak one is blocked with what it lacks, a wrong one refuses them all', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const file = join(world.root, 'packets.json');
  await writeFile(file, JSON.stringify([GOOD, { title: 'Do something', gates: ['passed'] }]));
  const wrong = await run(world, ['run', '--repo', 'demo', '--agent', 'scripted', '--packet', file]);
  assert.equal(wrong.code, 2, wrong.stderr);
  assert.match(wrong.stderr, /#2.*"gates".*a packet cannot bring or pass gates/);
  assert.deepEqual((await world.api('GET', '/v1/jobs')).body, { items: [], nextCursor: null });

  await writeFile(file, JSON.stringify([GOOD, { title: 'Do something' }]));
  const judged = await run(world, ['packet', 'validate', file]);
  assert.equal(judged.code, 1);
  assert.match(judged.stdout, /#1: ok\n.*#2: weak, the packet lacks goal, acceptance, scope, risk\n$/);
  const sent = await run(world, ['run', '--repo', 'demo', '--agent', 'scripted', '--packet', file]);
  assert.deepEqual([sent.code, sent.stdout], [8, '1\n2\n'], sent.stderr);
  assert.match(sent.stderr, /job 2 is blocked: the packet lacks goal, acceptance, scope, risk/);

  await world.awaitState((await world.api('GET', '/v1/jobs/1').then(({ body }) => body as JobView)).id, 'ready');
  const job = (await world.api('GET', '/v1/jobs/1')).body as JobView;
  assert.deepEqual([job.pipeline, job.packet?.['title']], ['full', 'Greet everybody']);
  assert.match(job.prompt, /^# Greet everybody\n/);
  const weak = (await world.api('GET', '/v1/jobs/2')).body as JobView;
  assert.deepEqual([weak.state, weak.reason, weak.nextSafeAction], ['blocked', 'weak_packet', 'abandon']);
  const retried = await run(world, ['retry', '2']);
  assert.equal(retried.code, 5);
  assert.match(retried.stderr, /can never begin: the packet lacks/);
});

/** A packet whose agent waits until it is told to go on, and ends so. */
function gated(world: World, name: string, more: { dependencies?: string[]; exit?: number } = {}): object {
  const wait = `while [ ! -e '${join(world.witness, `go.${name}`)}' ]; do sleep 0.05; done`;
  const work = [{ write: { path: name, content: 'Hello' } }, { commit: name }];
  const steps = [{ tool: { argv: ['sh', '-c', wait] } }, ...work, { exit: more.exit ?? 0 }];
  const context = `\`\`\`scenario\n${JSON.stringify({ steps })}\n\`\`\``;
  return { ...GOOD, id: name, title: `Work on ${name}`, context, dependencies: more.dependencies ?? [] };
}

test('packets that depend on each other: each begins after those it comes after were handed off, none after one that failed', async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 4 } });
  await world.start();
  await world.register({ verify: [['true']] });
  const send = async (packets: object[], ...more: string[]) => {
    const file = join(world.root, 'packets.json');
    await writeFile(file, JSON.stringify(packets));
    return run(world, ['run', '--repo', 'demo', '--agent', 'scripted', '--packet', file, ...more]);
  };
  const show = async (number: number): Promise<JobView> =>
    (await world.api('GET', `/v1/jobs/${number}`)).body as JobView;
  const goOn = (name: string): Promise<void> => writeFile(join(world.witness, `go.${name}`), '');

  const wrong = await send([
    gated(world, 'a', { dependencies: ['b'] }),
    gated(world, 'b', { dependencies: ['a'] }),
    gated(world, 'c', { dependencies: ['nobody'] }),
  ]);
  assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
  assert.match(wrong.stderr, /#1: it comes after itself: a → b → a/);
  const unknown = await send([gated(world, 'c', { dependencies: ['nobody', '77'] })]);
  assert.match(unknown.stderr, /"nobody", which is neither a packet of this call nor a job/);
  assert.match(unknown.stderr, /"77", which is neither/);
  assert.deepEqual((await world.api('GET', '/v1/jobs')).body, { items: [], nextCursor: null });

  const packets = [gated(world, 'second', { dependencies: ['first'] }), gated(world, 'first')];
  const sent = await send(packets, '--idempotency-key', 'both');
  assert.deepEqual([sent.code, sent.stdout], [0, '1\n2\n'], sent.stderr);
  assert.match(sent.stderr, /#1: job 2 is waiting for job 1/);
  const again = await send(packets, '--idempotency-key', 'both', '--json');
  const items = (JSON.parse(again.stdout) as { items: JobView[] }).items;
  assert.deepEqual(
    items.map(({ number }) => number),
    [2, 1],
    'the same jobs, in the order of the file',
  );
  const third = await send([gated(world, 'third', { dependencies: ['2'], exit: 1 })], '--after', '1');
  assert.deepEqual([third.code, (await show(3)).after], [0, [(await show(1)).id, (await show(2)).id]]);
  const shown = await run(world, ['show', '2']);
  assert.match(shown.stdout, /waits for +job 1: it comes after that one, which is (?:queued|preparing|running)/);
  assert.match((await run(world, ['jobs', '--state', 'waiting'])).stdout, /◌ waiting/);

  await goOn('second');
  await goOn('first');
  await world.awaitState((await show(1)).id, 'ready');
  await world.awaitState((await show(2)).id, 'ready');
  const [one, two] = [await show(1), await show(2)];
  assert.ok(Date.parse(two.queuedAt ?? '') >= Date.parse(one.finishedAt ?? ''), 'it was queued after the end');

  await run(world, ['run', '--repo', 'demo', '--after', '3', '--', 'true']);
  await goOn('third');
  const blocked = await world.awaitState((await show(4)).id, 'blocked');
  assert.equal(blocked.blocker, 'job 3, after which it comes, failed');
  const waited = await run(world, ['wait', '4']);
  assert.deepEqual([waited.code, /holdfast retry 4/.test(waited.stderr)], [8, true]);
  await run(world, ['retry', '4']);
  assert.equal((await run(world, ['wait', '4'])).code, 0);
});

test('packet validate judges the packets of all files together', async () => {
  await using world = await World.create();
  const [one, two] = [join(world.root, 'one.json'), join(world.root, 'two.json')];
  await writeFile(
    one,
    JSON.stringify([
      { ...GOOD, dependencies: ['other'] },
      { ...GOOD, dependencies: ['12'] },
    ]),
  );
  await writeFile(two, JSON.stringify([{ ...GOOD, id: 'other' }]));
  const both = await run(world, ['packet', 'validate', one, two]);
  assert.equal(both.code, 0, both.stderr);
  assert.match(both.stdout, /#1: ok\n.*#2: ok, it comes after 12: a job of that name must exist\n.*two\.json: ok\n$/);
  await writeFile(
    two,
    JSON.stringify([
      { ...GOOD, id: 'other' },
      { ...GOOD, id: 'other' },
    ]),
  );
  const doubled = await run(world, ['packet', 'validate', two]);
  assert.deepEqual(
    [doubled.code, /#2: bad, the id "other" is that of .*two\.json #1 too/.test(doubled.stdout)],
    [1, true],
  );
});
