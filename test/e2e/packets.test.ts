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
