/** A hand-off is pushed where its repository says; a push that fails costs nothing but the push. */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { git } from '../support/repository.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

const PROMPT = JSON.stringify({ steps: [{ write: { path: 'answer', content: 'good' } }, { commit: 'Answer' }] });

test('a hand-off is pushed once; one that cannot be is ready all the same, says why, and is pushed by a retry', async () => {
  await using world = await World.create();
  const bare = join(world.root, 'bare.git');
  await git(world.root, 'init', '-q', '--bare', bare);
  await world.start();
  const refused = await run(world, ['repo', 'add', world.repository, '--name', 'demo', '--push', 'ext::sh -c date']);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /transport helpers/);
  await run(world, ['repo', 'add', world.repository, '--name', 'demo', '--verify', 'true', '--push', bare]);
  const shown = await run(world, ['repo', 'show', 'demo']);
  assert.match(shown.stdout, /pushed to +\S+bare\.git/);

  const submit = () => world.submit({ prompt: PROMPT, agent: 'scripted', pipeline: 'full' });
  const first = await submit();
  const ready = await world.awaitState(first.id, 'ready', 'blocked');
  assert.deepEqual([ready.state, ready.reason], ['ready', null], await world.readLog());
  const branches = (): Promise<string> => git(bare, 'for-each-ref', '--format=%(refname)');
  assert.equal(await branches(), 'refs/heads/holdfast/1-work\n');

  await rename(bare, `${bare}.away`);
  const second = await submit();
  const held = await world.awaitState(second.id, 'ready', 'blocked');
  assert.deepEqual([held.state, held.reason, held.nextSafeAction], ['ready', 'push_failed', 'fix_config']);
  assert.match(held.blocker ?? '', /^holdfast\/2-work was not pushed to \S+bare\.git: /);
  assert.equal((await run(world, ['wait', '2'])).code, 8);
  assert.equal((await run(world, ['checkout', '2'])).code, 0, 'the hand-off itself is whole');
  await rename(`${bare}.away`, bare);
  assert.equal((await run(world, ['retry', '2'])).code, 0);
  const end = await world.awaitState(second.id, 'ready', 'blocked');
  assert.deepEqual([end.state, end.reason, end.blocker], ['ready', null, null]);
  assert.equal(await branches(), 'refs/heads/holdfast/1-work\nrefs/heads/holdfast/2-work\n');

  const off = await run(world, ['repo', 'update', 'demo', '--no-push', '--json']);
  assert.equal((JSON.parse(off.stdout) as { push: string | null }).push, null);
});
