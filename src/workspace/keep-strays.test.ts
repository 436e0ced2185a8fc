import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { crashAt } from './crash.fixture.ts';
import { keepStrays, nameStrays } from './keep-strays.ts';
import { diffWorkspace } from './observe.ts';
import { commitFiles, makePlace, makeWorld, plainGit, writeFiles, type Place } from './repository.fixture.ts';
import { deleteSavedTrees, diffSavedTree, strayFolder } from './saved-trees.ts';

type Request = Parameters<typeof keepStrays>[0];

/** A workspace whose agent has left a branch with a commit. */
async function makeReady(place: Place): Promise<Request & { commit: string }> {
  const { mirrorDir, workspaceDir, base: baseCommit } = await makeWorld(place);
  const commit = leave(workspaceDir, 'feature/one', 'one.txt');
  return { mirrorDir, workspaceDir, baseCommit, folder: strayFolder('job_1', 2), op: 'op_4', commit };
}

/** Commits a file on a branch of its own and goes back; returns the commit. */
function leave(workspaceDir: string, branch: string, file: string): string {
  plainGit(workspaceDir, 'switch', '-q', '-c', branch);
  const commit = commitFiles(workspaceDir, { [file]: file });
  plainGit(workspaceDir, 'switch', '-q', '-');
  return commit;
}

const refsOf = (mirrorDir: string): string[] =>
  plainGit(mirrorDir, 'for-each-ref', '--format=%(refname)', 'refs/holdfast/')
    .split('\n')
    .filter((line) => line !== '');

describe('what an agent committed beside its branch', () => {
  it('is kept as often as it is asked, once, and outlives the workspace', async () => {
    await using place = makePlace();
    const request = await makeReady(place);
    const ref = `${request.folder}/${request.commit}`;
    for (let twice = 0; twice < 2; twice++) {
      const kept = await keepStrays(request);
      assert.deepEqual(kept, [{ name: 'branch feature/one', commit: request.commit, ref, why: null }]);
    }
    rmSync(request.workspaceDir, { recursive: true });
    assert.equal(plainGit(request.mirrorDir, 'show', `${ref}:one.txt`), 'one.txt');
    plainGit(request.mirrorDir, 'fsck', '--strict', '--no-dangling');
    assert.equal(plainGit(request.mirrorDir, 'reflog', 'show', '--format=%gs', ref), 'branch feature/one\n');
  });

  it('is nothing where everything is on the branch it is on, or in the source', async () => {
    await using place = makePlace();
    const { mirrorDir, workspaceDir, base: baseCommit } = await makeWorld(place);
    commitFiles(workspaceDir, { 'on.txt': 'x' });
    plainGit(workspaceDir, 'branch', 'behind', 'HEAD~1');
    plainGit(workspaceDir, 'branch', 'same');
    const request = { mirrorDir, workspaceDir, baseCommit };
    assert.deepEqual(await keepStrays({ ...request, folder: strayFolder('job_1', 1) }), []);
    assert.deepEqual(await nameStrays(request), []);
    assert.deepEqual(refsOf(mirrorDir), []);
  });

  it('may be a stash, packed, or have a name no ref may have', async () => {
    await using place = makePlace();
    const request = await makeReady(place);
    const { workspaceDir } = request;
    leave(workspaceDir, 'packed', 'packed.txt');
    plainGit(workspaceDir, 'pack-refs', '--all');
    writeFiles(workspaceDir, { 'README.md': 'put aside' });
    plainGit(workspaceDir, 'stash', '-q');
    const odd = leave(workspaceDir, 'odd', 'odd.txt');
    renameSync(join(workspaceDir, '.git/refs/heads/odd'), join(workspaceDir, '.git/refs/heads/o d\n.lock'));
    const kept = await keepStrays(request);
    assert.deepEqual(kept.map(({ name }) => name).toSorted(), [
      'a stash',
      'branch feature/one',
      'branch o d?.lock',
      'branch packed',
    ]);
    assert.ok(kept.every(({ why }) => why === null));
    assert.equal(plainGit(request.mirrorDir, 'show', `${request.folder}/${odd}:odd.txt`), 'odd.txt');
    const diff = await diffWorkspace(request);
    assert.match(diff, /^# branch packed has commits that are not shown here$/m);
  });

  it('is told where it cannot be kept: objects that are gone, trees git refuses, links', async () => {
    await using place = makePlace();
    const request = await makeReady(place);
    const { workspaceDir, commit } = request;
    const tree = plainGit(workspaceDir, 'rev-parse', `${commit}^{tree}`).trim();
    unlinkSync(join(workspaceDir, '.git/objects', tree.slice(0, 2), tree.slice(2)));
    const [broken] = await keepStrays(request);
    assert.ok(broken?.ref === null && /cannot read its commits/.test(broken.why ?? ''));
    writeFileSync(join(workspaceDir, '.git/refs/heads/feature/one'), `${'0'.repeat(40)}\n`);
    assert.deepEqual(await keepStrays(request), []);
    rmSync(join(workspaceDir, '.git/refs/heads/feature'), { recursive: true });
    symlinkSync('/etc/hostname', join(workspaceDir, '.git/refs/heads/linked'));
    const [linked] = await keepStrays(request);
    assert.equal(linked?.ref, undefined, 'what is no plain file is no branch');
    assert.deepEqual(refsOf(request.mirrorDir), []);
  });

  for (const point of ['workspace.before-harvest-ref', 'workspace.after-harvest-ref'] as const) {
    it(`killed at ${point} it is kept by the next try`, async () => {
      await using place = makePlace();
      const { commit, ...request } = await makeReady(place);
      crashAt(point, { do: 'keepStrays', with: request });
      const ref = `${request.folder}/${commit}`;
      mkdirSync(join(request.mirrorDir, request.folder), { recursive: true });
      writeFileSync(join(request.mirrorDir, `${ref}.lock`), '');
      rmSync(join(request.mirrorDir, ref), { force: true });
      assert.deepEqual(await keepStrays(request), [{ name: 'branch feature/one', commit, ref, why: null }]);
      plainGit(request.mirrorDir, 'fsck', '--strict', '--no-dangling');
    });
  }

  it('is named by the diff of a workspace that is gone, and goes with its job', async () => {
    await using place = makePlace();
    const { mirrorDir, baseCommit, folder, ...request } = await makeReady(place);
    await keepStrays({ ...request, mirrorDir, baseCommit, folder });
    const asked = { mirrorDir, jobId: 'job_1', baseCommit, commit: baseCommit, op: 'op_5' };
    assert.equal(await diffSavedTree(asked), `# branch feature/one is kept as ${folder}/${request.commit}\n`);
    writeFileSync(join(mirrorDir, folder, 'left.lock'), '');
    await deleteSavedTrees({ mirrorDir, jobId: 'job_1', op: 'op_6' });
    assert.deepEqual(refsOf(mirrorDir), []);
    assert.deepEqual(
      readdirSync(join(mirrorDir, 'refs/holdfast'), { recursive: true, encoding: 'utf8' }).filter((name) =>
        name.endsWith('.lock'),
      ),
      [],
    );
  });
});
