/** What a job did comes to its operator: as a repository of its own, or into a work tree, over HTTP alone. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { git } from '../support/repository.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

const WRITE = { write: { path: 'answer', content: 'good' } };

test('the work of a job is checked out and applied, and never over work of the operator', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const full = await world.submit({
    prompt: JSON.stringify({ steps: [WRITE, { commit: 'Answer' }] }),
    agent: 'scripted',
    pipeline: 'full',
  });
  const plain = await world.submit({ prompt: JSON.stringify({ steps: [WRITE] }), agent: 'scripted' });
  const held = await world.submit({ prompt: '{"steps":[]}', agent: 'scripted', start: false });
  const unchecked = await world.awaitState(full.id, 'ready');
  assert.deepEqual([unchecked.reason, unchecked.nextSafeAction], ['manual_review', 'review']);
  assert.equal((await run(world, ['wait', '1'])).code, 8);
  await world.awaitState(plain.id, 'completed');
  const before = await git(world.repository, 'for-each-ref');

  const made = await run(world, ['checkout', '1']);
  const directory = join(world.root, 'holdfast-1-work');
  assert.deepEqual([made.code, made.stdout], [0, `${directory}\n`], made.stderr);
  assert.match(made.stderr, /branch holdfast\/1-work at [0-9a-f]{12}\n→ into a repository of yours: git fetch /);
  assert.equal(await readFile(join(directory, 'answer'), 'utf8'), 'good');
  assert.equal((await git(directory, 'log', '-1', '--format=%s')).trim(), 'Answer');
  const again = await run(world, ['checkout', '1']);
  assert.deepEqual([again.code, again.stdout], [5, '']);
  assert.match(again.stderr, /not an empty directory/);
  const dirty = join(world.repository, 'README.md');
  await writeFile(dirty, 'mine');
  const refused = await run(world, ['apply', '2'], { cwd: world.repository });
  assert.equal(refused.code, 5, refused.stderr);
  assert.match(refused.stderr, /not committed: README\.md/);
  assert.equal(await readFile(dirty, 'utf8'), 'mine');
  await git(world.repository, 'checkout', '-q', '.');
  const applied = await run(world, ['apply', '2'], { cwd: world.repository });
  assert.deepEqual([applied.code, applied.stdout], [0, 'A answer\n'], applied.stderr);
  assert.equal(await git(world.repository, 'status', '--porcelain'), 'A  answer\n');
  assert.equal(await git(world.repository, 'for-each-ref'), before);

  for (const verb of ['checkout', 'apply']) {
    const early = await run(world, [verb, String(held.number)], { cwd: world.repository });
    assert.equal(early.code, 5);
    assert.match(early.stderr, /job 3 is created: .*what it takes now: start, cancel, freeze/);
  }
  const nowhere = await run(world, ['apply', '1']);
  assert.match(nowhere.stderr, /not a git repository/i);
  const json = await run(world, ['checkout', '2', 'plain', '--json']);
  const { branch } = JSON.parse(json.stdout) as { branch: string };
  assert.equal(branch, 'holdfast/2-work');
  assert.equal((await git(join(world.root, 'plain'), 'log', '-1', '--format=%s')).trim(), 'Work of job 2');
});
