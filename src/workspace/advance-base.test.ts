import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { advanceBase, type AdvanceOutcome, type AdvanceRequest } from './advance-base.ts';
import { crashAt } from './crash.fixture.ts';
import { harvestWork } from './harvest.ts';
import {
  commitFiles,
  makePlace,
  makeWorld,
  plainGit,
  writeFiles,
  type Place,
  type World,
} from './repository.fixture.ts';

interface Ready extends World {
  request: AdvanceRequest;
}

/** A candidate in the mirror that changes, adds and removes a file. */
async function makeReady(place: Place): Promise<Ready> {
  const world = await makeWorld(place, { 'old.txt': 'old\n', 'gone.txt': 'x\n' });
  rmSync(join(world.workspaceDir, 'gone.txt'));
  commitFiles(world.workspaceDir, { 'old.txt': 'new\n', 'sub/added.txt': 'added\n' });
  const ref = 'refs/holdfast/job_1/candidate-1';
  const found = await harvestWork({ ...world, baseCommit: world.base, ref, op: 'op_3' });
  assert.ok(found.kind === 'committed');
  const { mirrorDir, source, base: from } = world;
  const move = { branch: 'main', from, to: found.commit, ref, message: 'holdfast: merge job 1', op: 'op_6' };
  return { ...world, request: { mirrorDir, source, sourceKind: 'path', ...move } };
}

const headOf = (world: World): string => plainGit(world.source, 'rev-parse', 'refs/heads/main').trim();
const statusOf = (world: World): string => plainGit(world.source, 'status', '--porcelain');
/** Times the branch was moved, by its own account. */
const movesOf = (world: World): number =>
  plainGit(world.source, 'reflog', 'show', '--format=%gs', 'main')
    .split('\n')
    .filter((line) => line.includes('merge job 1')).length;

function assertDone(world: Ready, outcome: AdvanceOutcome): void {
  assert.deepEqual(outcome, { kind: 'advanced', note: null });
  assert.equal(headOf(world), world.request.to);
  assert.equal(movesOf(world), 1);
  assert.equal(statusOf(world), '');
}

describe('advancing a branch of a repository on this machine', () => {
  it('brings its clean checkout along, once, however often it is asked', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    assertDone(world, await advanceBase(world.request));
    assert.equal(readFileSync(join(world.source, 'old.txt'), 'utf8'), 'new\n');
    assert.ok(existsSync(join(world.source, 'sub/added.txt')) && !existsSync(join(world.source, 'gone.txt')));
    assertDone(world, await advanceBase(world.request));
    plainGit(world.source, 'fsck', '--strict', '--no-dangling');
  });

  it('that is checked out nowhere moves alone', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    plainGit(world.source, 'checkout', '-q', '-b', 'elsewhere');
    assertDone(world, await advanceBase(world.request));
    assert.equal(readFileSync(join(world.source, 'old.txt'), 'utf8'), 'old\n');
  });

  it('in a bare repository moves alone', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    const bare = place.path('bare.git');
    plainGit(place.root, 'clone', '-q', '--bare', world.source, bare);
    assert.equal((await advanceBase({ ...world.request, source: bare })).kind, 'advanced');
    assert.equal(plainGit(bare, 'rev-parse', 'main').trim(), world.request.to);
  });

  it('that somebody moved is not moved, unless it has the commit already', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    const at = commitFiles(world.source, { 'other.txt': 'x\n' });
    assert.deepEqual(await advanceBase(world.request), { kind: 'moved', at });
    assert.equal(headOf(world), at);
    plainGit(world.source, 'fetch', '-q', world.mirrorDir, world.request.ref);
    plainGit(world.source, 'merge', '-q', '-m', 'by hand', 'FETCH_HEAD');
    assert.equal((await advanceBase(world.request)).kind, 'advanced');
  });

  it('that is gone is not made anew', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    plainGit(world.source, 'checkout', '-q', '-b', 'elsewhere');
    plainGit(world.source, 'branch', '-q', '-D', 'main');
    assert.deepEqual(await advanceBase(world.request), { kind: 'moved', at: null });
  });
});

describe('a checkout in which somebody is at work is not touched', () => {
  const HOLDS: [string, (world: Ready, place: Place) => void, RegExp][] = [
    ['a changed file', ({ source }) => writeFiles(source, { 'old.txt': 'mine\n' }), /not committed: old\.txt/],
    ['a staged file', stageNew, /not committed: mine\.txt/],
    [
      'an untracked file in the way',
      ({ source }) => writeFiles(source, { 'sub/added.txt': 'mine\n' }),
      /sub\/added\.txt/,
    ],
    ['another git', ({ source }) => writeFileSync(join(source, '.git/index.lock'), ''), /index\.lock/],
    [
      'a merge',
      ({ source, base }) => writeFileSync(join(source, '.git/MERGE_HEAD'), `${base}\n`),
      /a merge is under way/,
    ],
    ['a linked work tree', linkWorkTree, /checked out in .*linked/],
  ];
  for (const [what, hold, why] of HOLDS) {
    it(what, async () => {
      await using place = makePlace();
      const world = await makeReady(place);
      hold(world, place);
      const status = statusOf(world);
      const outcome = await advanceBase(world.request);
      assert.ok(outcome.kind === 'held', outcome.kind);
      assert.match(outcome.why, why);
      assert.equal(headOf(world), world.base);
      assert.equal(statusOf(world), status);
    });
  }

  it('an untracked file that is in nobody’s way holds nothing up', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    writeFiles(world.source, { 'notes.txt': 'mine\n' });
    assert.equal((await advanceBase(world.request)).kind, 'advanced');
    assert.equal(statusOf(world), '?? notes.txt\n');
  });
});

function stageNew({ source }: World): void {
  writeFiles(source, { 'mine.txt': 'mine\n' });
  plainGit(source, 'add', 'mine.txt');
}

function linkWorkTree({ source }: World, place: Place): void {
  plainGit(source, 'checkout', '-q', '-b', 'elsewhere');
  plainGit(source, 'worktree', 'add', '-q', place.path('linked'), 'main');
}

describe('after a crash', () => {
  for (const point of ['merge.before-advance', 'merge.after-advance'] as const) {
    it(`at ${point} it is finished, with one entry in the reflog`, async () => {
      await using place = makePlace();
      const world = await makeReady(place);
      crashAt(point, { do: 'advanceBase', with: world.request });
      assertDone(world, await advanceBase(world.request));
    });
  }

  it('with half of the files written it is finished', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    crashAt('merge.after-advance', { do: 'advanceBase', with: world.request });
    writeFiles(world.source, { 'old.txt': 'new\n', 'sub/added.txt': 'added\n' });
    assertDone(world, await advanceBase(world.request));
  });

  it('what a person changed meanwhile stays, and is told', async () => {
    await using place = makePlace();
    const world = await makeReady(place);
    crashAt('merge.after-advance', { do: 'advanceBase', with: world.request });
    writeFiles(world.source, { 'old.txt': 'mine\n' });
    const outcome = await advanceBase(world.request);
    assert.ok(outcome.kind === 'advanced');
    assert.match(outcome.note ?? '', /left as they are: old\.txt/);
    assert.equal(readFileSync(join(world.source, 'old.txt'), 'utf8'), 'mine\n');
  });
});
