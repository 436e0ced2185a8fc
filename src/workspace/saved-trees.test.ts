import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { commitFiles, makePlace, makeRepository, plainGit } from './repository.fixture.ts';
import {
  candidateRef,
  findNewestCandidate,
  findNewestWork,
  findSavedTree,
  savedTreeRef,
  strayFolder,
} from './saved-trees.ts';

test('the newest work of a job is that of its newest attempt, and of one attempt what it committed', async () => {
  await using place = makePlace();
  const source = place.path('source');
  makeRepository(source);
  const mirrorDir = join(source, '.git');
  const set = (ref: string): string => {
    const commit = commitFiles(source, { file: ref });
    plainGit(source, 'update-ref', ref, commit);
    return commit;
  };
  assert.equal(await findSavedTree(mirrorDir, 'job_a'), null);
  set(`${strayFolder('job_a', 1)}/${'a'.repeat(40)}`);
  assert.equal(await findSavedTree(mirrorDir, 'job_a'), null, 'what lay beside a branch is no tree to go on from');
  const tree = set(savedTreeRef('job_a', 2));
  assert.equal(await findSavedTree(mirrorDir, 'job_a'), tree);
  assert.equal(await findNewestCandidate(mirrorDir, 'job_a'), null);
  set('refs/holdfast/job_a/hand-off');
  set(candidateRef('job_b', 99));
  const first = set(candidateRef('job_a', 2));
  assert.deepEqual(await findNewestWork(mirrorDir, 'job_a').then((one) => one?.commit), first);
  const later = set(candidateRef('job_a', 10));
  assert.equal(await findNewestCandidate(mirrorDir, 'job_a'), later);
  assert.equal(await findSavedTree(mirrorDir, 'job_a'), later);
  const last = set(savedTreeRef('job_a', 11));
  const found = await findNewestWork(mirrorDir, 'job_a');
  assert.deepEqual([found?.commit, found?.isCandidate], [last, false]);
  assert.equal(await findNewestCandidate(mirrorDir, 'job_a'), later);
});
