import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { crashAt } from './crash.fixture.ts';
import { harvestWork } from './harvest.ts';
import { pushBranch, type PushRequest } from './push-branch.ts';
import { commitFiles, makePlace, makeWorld, plainGit, type Place } from './repository.fixture.ts';
import { configureGit } from './safe-git.ts';

const BRANCH = 'holdfast/7-greet';

interface Ready {
  bare: string;
  workspaceDir: string;
  request: PushRequest;
  /** A later commit of the same work, in the mirror. */
  goOn: () => Promise<PushRequest>;
}

/** Handed-off work in a mirror, and a bare repository it may go to; any hook of that one leaves a mark. */
async function makeReady(place: Place): Promise<Ready> {
  const { mirrorDir, workspaceDir, base, source } = await makeWorld(place);
  const bare = place.path('bare.git');
  plainGit(place.root, 'clone', '-q', '--bare', source, bare);
  plainGit(bare, 'config', 'core.logAllRefUpdates', 'always');
  mkdirSync(join(bare, 'hooks'), { recursive: true });
  for (const hook of ['pre-receive', 'post-receive', 'reference-transaction', 'update']) {
    const path = join(bare, 'hooks', hook);
    writeFileSync(path, `#!/bin/sh\necho ${hook} >> ${place.path('mark')}\n`);
    chmodSync(path, 0o755);
  }
  const harvest = async (name: string, attempt: number): Promise<PushRequest> => {
    commitFiles(workspaceDir, { [name]: name });
    const ref = `refs/holdfast/job_1/candidate-${attempt}`;
    const found = await harvestWork({ mirrorDir, workspaceDir, baseCommit: base, ref, op: 'op_3' });
    assert.ok(found.kind === 'committed');
    return { mirrorDir, target: bare, branch: BRANCH, base: 'main', commit: found.commit, ref, op: 'op_7' };
  };
  return { bare, workspaceDir, request: await harvest('one', 1), goOn: () => harvest('two', 2) };
}

const branchOf = (bare: string): string =>
  plainGit(bare, 'for-each-ref', '--format=%(objectname)', `refs/heads/${BRANCH}`).trim();
const movesOf = (bare: string): number =>
  plainGit(bare, 'reflog', 'show', '--format=%H', BRANCH).trim().split('\n').length;

describe('pushing a hand-off to a repository on this machine', () => {
  it('makes its branch once, however often it is asked, and runs no hook', async () => {
    await using place = makePlace();
    const { bare, request } = await makeReady(place);
    const main = plainGit(bare, 'rev-parse', 'main');
    for (let twice = 0; twice < 2; twice++) assert.deepEqual(await pushBranch(request), { kind: 'pushed' });
    assert.deepEqual([branchOf(bare), movesOf(bare)], [request.commit, 1]);
    assert.equal(plainGit(bare, 'rev-parse', 'main'), main);
    assert.ok(!existsSync(place.path('mark')));
    plainGit(bare, 'fsck', '--strict', '--no-dangling');
  });

  for (const point of ['stage.before-push', 'stage.after-push'] as const) {
    it(`killed at ${point} it is done again or found, with one entry in the reflog`, async () => {
      await using place = makePlace();
      const { bare, request } = await makeReady(place);
      crashAt(point, { do: 'pushBranch', with: request });
      assert.deepEqual(await pushBranch(request), { kind: 'pushed' });
      assert.deepEqual([branchOf(bare), movesOf(bare)], [request.commit, 1]);
    });
  }

  it('goes on from what it pushed before, and never overwrites anything else', async () => {
    await using place = makePlace();
    const { bare, request, goOn } = await makeReady(place);
    await pushBranch(request);
    const later = await goOn();
    assert.deepEqual(await pushBranch(later), { kind: 'pushed' });
    assert.equal(branchOf(bare), later.commit);
    const back = await pushBranch(request);
    assert.ok(back.kind === 'refused' && /never overwritten/.test(back.why));
    plainGit(bare, 'update-ref', `refs/heads/${BRANCH}`, plainGit(bare, 'rev-parse', 'main').trim());
    assert.deepEqual(await pushBranch(later), { kind: 'pushed' }, 'the base is what it stands on');
    const clone = place.path('clone');
    plainGit(place.root, 'clone', '-q', '-b', BRANCH, bare, clone);
    const theirs = commitFiles(clone, { 'theirs.txt': 'x' });
    plainGit(bare, 'fetch', '-q', clone, `+HEAD:refs/heads/${BRANCH}`);
    assert.equal((await pushBranch(await goOn())).kind, 'refused');
    assert.equal(branchOf(bare), theirs);
  });

  it('touches no base branch, no branch of anybody and none that is checked out', async () => {
    await using place = makePlace();
    const { bare, request } = await makeReady(place);
    const before = plainGit(bare, 'for-each-ref');
    for (const branch of ['main', 'feature', 'holdfast/x', '+holdfast/7-greet', 'holdfast/7-a..b']) {
      assert.equal((await pushBranch({ ...request, branch })).kind, 'refused', branch);
    }
    assert.equal((await pushBranch({ ...request, base: BRANCH })).kind, 'refused');
    assert.equal(plainGit(bare, 'for-each-ref'), before);
    plainGit(bare, 'worktree', 'add', '-q', '-b', BRANCH, place.path('linked'), 'main');
    const held = await pushBranch(request);
    assert.ok(held.kind === 'refused' && /checked out/.test(held.why));
  });

  it('goes to no address a source may not have', async () => {
    await using place = makePlace();
    const { request } = await makeReady(place);
    for (const target of ['ext::sh -c date', 'file:///srv', 'http://host/x', '--upload-pack=x', 'relative']) {
      await assert.rejects(pushBranch({ ...request, target }), (error) => isError(error, 'source-refused'), target);
    }
    await assert.rejects(pushBranch({ ...request, target: place.path('none') }), (error) =>
      isError(error, 'not-a-repository'),
    );
  });
});

describe('pushing a hand-off to a remote', () => {
  /** An ssh that runs what it is asked on this machine; `before` may end it first. `$last` is what it is asked. */
  function useSsh(place: Place, before = ':'): Disposable & { program: string } {
    const bin = place.path('bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nfor last; do :; done\n${before}\nexec sh -c "$last"\n`);
    chmodSync(join(bin, 'ssh'), 0o755);
    const path = '/usr/local/bin:/usr/bin:/bin';
    configureGit({ path: `${bin}:${path}` });
    return { program: join(bin, 'ssh'), [Symbol.dispose]: () => configureGit({ path }) };
  }

  it('looks first, pushes once, and is refused what does not go on', async () => {
    await using place = makePlace();
    using ssh = useSsh(place);
    assert.ok(existsSync(ssh.program));
    const { bare, request, goOn } = await makeReady(place);
    const remote = { ...request, target: `ssh://host.invalid${bare}` };
    for (let twice = 0; twice < 2; twice++) assert.deepEqual(await pushBranch(remote), { kind: 'pushed' });
    assert.deepEqual([branchOf(bare), movesOf(bare)], [request.commit, 1]);
    const pushes = readFileSync(place.path('mark'), 'utf8')
      .split('\n')
      .filter((line) => line === 'post-receive');
    assert.equal(pushes.length, 1, 'the second time nothing was sent');
    const later = await goOn();
    assert.deepEqual(await pushBranch({ ...later, target: remote.target }), { kind: 'pushed' });
    const back = await pushBranch(remote);
    assert.ok(back.kind === 'refused' && /non-fast-forward/.test(back.why), JSON.stringify(back));
    assert.equal(branchOf(bare), later.commit);
  });

  it('that was not reached is told from one that refuses', async () => {
    await using place = makePlace();
    const mode = place.path('mode');
    const cut = `sh -c "$last" < /dev/null; exit 0`;
    using ssh = useSsh(
      place,
      `case "$(cat '${mode}'),$last" in
       reset,*) echo 'kex_exchange_identification: read: Connection reset by peer' >&2; exit 255;;
       cut,*receive-pack*) ${cut};;
       denied,*) echo 'git@host.invalid: Permission denied (publickey).' >&2; exit 255;; esac`,
    );
    assert.ok(existsSync(ssh.program));
    const { bare, request } = await makeReady(place);
    const remote = { ...request, target: `ssh://host.invalid${bare}` };
    for (const [how, why] of [
      ['reset', /Connection reset/],
      ['cut', /hung up|disconnect|broken pipe/i],
    ] as const) {
      writeFileSync(mode, how);
      const outcome = await pushBranch(remote);
      assert.ok(outcome.kind === 'unreached' && why.test(outcome.why), `${how}: ${JSON.stringify(outcome)}`);
    }
    writeFileSync(mode, 'denied');
    await assert.rejects(pushBranch(remote), (error) => isError(error, 'git-failed'), 'nobody lets us in later');
    writeFileSync(mode, 'open');
    const lock = join(bare, 'refs', 'heads', `${BRANCH}.lock`);
    mkdirSync(join(bare, 'refs', 'heads', 'holdfast'), { recursive: true });
    writeFileSync(lock, '');
    for (const one of [remote, request]) {
      const held = await pushBranch(one);
      assert.equal(held.kind, 'unreached', JSON.stringify(held));
    }
    rmSync(lock);
    // What the hook of the remote prints is no word of git's.
    const hook = "#!/bin/sh\necho 'Connection reset by peer, http 503' >&2\nexit 1\n";
    writeFileSync(join(bare, 'hooks', 'pre-receive'), hook);
    const declined = await pushBranch(remote);
    assert.ok(declined.kind === 'refused' && /hook declined/.test(declined.why), JSON.stringify(declined));
    assert.equal(branchOf(bare), '');
    writeFileSync(join(bare, 'hooks', 'pre-receive'), '#!/bin/sh\n');
    assert.deepEqual(await pushBranch(remote), { kind: 'pushed' });
    assert.deepEqual([branchOf(bare), movesOf(bare)], [request.commit, 1]);
  });

  it('that does not answer is an error, and nothing is known', async () => {
    await using place = makePlace();
    using ssh = useSsh(place);
    assert.ok(existsSync(ssh.program));
    const { request } = await makeReady(place);
    const target = `ssh://host.invalid${place.path('none.git')}`;
    await assert.rejects(pushBranch({ ...request, target }), (error) => isError(error, 'git-failed'));
  });
});
