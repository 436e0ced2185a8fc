import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advanceMirrorBase, isInHistory, readMirrorBase } from './mirror-base.ts';
import { commitFiles, makePlace, makeWorld, plainGit } from './repository.fixture.ts';

test('a mirror learns of what stands on its base, and forgets nothing it has fetched', async () => {
  await using place = makePlace();
  const { mirrorDir, source, workspaceDir, base: first } = await makeWorld(place);
  const commit = commitFiles(workspaceDir, { 'work.txt': 'x' });
  plainGit(mirrorDir, 'fetch', '-q', workspaceDir, `${commit}:refs/holdfast/job_1/merge-1`);
  const advance = { mirrorDir, base: 'main', commit, op: 'op_3' };
  await advanceMirrorBase({ ...advance, base: 'gone' });
  assert.equal(await readMirrorBase({ mirrorDir, base: 'gone' }), null);
  for (let twice = 0; twice < 2; twice++) {
    await advanceMirrorBase(advance);
    assert.equal(await readMirrorBase({ mirrorDir, base: 'main' }), commit);
  }
  await advanceMirrorBase({ ...advance, commit: first });
  assert.equal(await readMirrorBase({ mirrorDir, base: 'main' }), commit, 'never back');
  const beside = commitFiles(source, { 'beside.txt': 'x' });
  plainGit(mirrorDir, 'fetch', '-q', source, `+main:refs/heads/main`);
  await advanceMirrorBase(advance);
  assert.equal(await readMirrorBase({ mirrorDir, base: 'main' }), beside, 'what does not stand on it is no base');
  assert.deepEqual(
    [
      await isInHistory({ mirrorDir, commit: first, tip: beside }),
      await isInHistory({ mirrorDir, commit, tip: beside }),
    ],
    [true, false],
  );
});
