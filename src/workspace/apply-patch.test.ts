import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { applyPatch, type Applied } from './apply-patch.ts';
import { commitFiles, makePlace, makeWorld, plainGit, writeFiles, type Place } from './repository.fixture.ts';
import { patchResult } from './result.ts';

const LINES = 'a\nb\nc\nd\n';

interface Ready {
  source: string;
  apply: (directory?: string) => Promise<Applied>;
}

/** A repository, and a patch that changes, adds and removes a file of it, binary ones too. */
async function makeReady(place: Place): Promise<Ready> {
  const files = { 'old.txt': `${LINES}one\ntwo\nthree\n${LINES}`, 'gone.txt': 'x\n', 'keep.txt': 'k\n' };
  const { mirrorDir, workspaceDir, base, source } = await makeWorld(place, files);
  writeFiles(workspaceDir, {
    'old.txt': `${LINES}one\n2\nthree\n${LINES}`,
    'sub/added.txt': 'added\n',
    '.gitattributes': '* filter=evil\n',
  });
  writeFileSync(join(workspaceDir, 'binary'), Buffer.from([0, 1, 2, 255, 0]));
  rmSync(join(workspaceDir, 'gone.txt'));
  const work = { kind: 'workspace', workspaceDir } as const;
  const patch = await patchResult({ mirrorDir, base, work, message: '', op: 'op_7' });
  assert.ok(patch !== null);
  let calls = 0;
  const apply = (directory = source): Promise<Applied> => {
    const scratch = place.path(`scratch-${++calls}`);
    mkdirSync(scratch);
    return applyPatch({ directory, patch, scratch });
  };
  return { source, apply };
}

/** Everything of a repository that a person could miss. */
function look(source: string): string {
  const head = plainGit(source, 'log', '--all', '--format=%H %D');
  return [
    head,
    plainGit(source, 'status', '--porcelain'),
    plainGit(source, 'diff'),
    plainGit(source, 'stash', 'list'),
  ].join();
}

describe('applying the patch of a job', () => {
  it('stages all of it and commits nothing', async () => {
    await using place = makePlace();
    const { source, apply } = await makeReady(place);
    writeFileSync(join(source, 'mine.txt'), 'untracked');
    mkdirSync(join(source, 'below'));
    const head = plainGit(source, 'rev-parse', 'HEAD');
    const { top, branch, files } = await apply(join(source, 'below'));
    assert.deepEqual([top, branch], [source, 'main']);
    assert.deepEqual(
      files.map(({ status, path }) => `${status} ${path}`),
      ['A .gitattributes', 'A binary', 'D gone.txt', 'M old.txt', 'A sub/added.txt'],
    );
    assert.equal(plainGit(source, 'rev-parse', 'HEAD'), head);
    assert.equal(plainGit(source, 'diff').trim(), '', 'the files are what is staged');
    assert.equal(readFileSync(join(source, 'old.txt'), 'utf8'), `${LINES}one\n2\nthree\n${LINES}`);
    assert.deepEqual([...readFileSync(join(source, 'binary'))], [0, 1, 2, 255, 0]);
    assert.ok(!existsSync(join(source, 'gone.txt')) && existsSync(join(source, 'mine.txt')));
    plainGit(source, 'fsck', '--strict', '--no-dangling');
  });

  it('goes onto a branch that went on, and says so when everything of it is there', async () => {
    await using place = makePlace();
    const { source, apply } = await makeReady(place);
    commitFiles(source, { 'old.txt': `zero\n${LINES}one\ntwo\nthree\n${LINES}`, 'other.txt': 'x\n' });
    await apply();
    assert.equal(readFileSync(join(source, 'old.txt'), 'utf8'), `zero\n${LINES}one\n2\nthree\n${LINES}`);
    plainGit(source, 'commit', '-q', '-m', 'taken');
    assert.deepEqual((await apply()).files, []);
    assert.equal(plainGit(source, 'status', '--porcelain').trim(), '');
  });

  const REFUSALS: [string, (source: string) => void, string, RegExp][] = [
    [
      'a changed file',
      (top) => writeFiles(top, { 'keep.txt': 'mine\n' }),
      'work-tree-dirty',
      /not committed: keep\.txt/,
    ],
    ['a staged file', stage, 'work-tree-dirty', /not committed: mine\.txt/],
    [
      'a file in the way',
      (top) => writeFiles(top, { 'sub/added.txt': 'mine\n' }),
      'work-tree-dirty',
      /sub\/added\.txt/,
    ],
    ['a file for a directory', (top) => writeFiles(top, { sub: 'mine\n' }), 'work-tree-dirty', /sub\/added\.txt/],
    [
      'a conflict',
      (top) => void commitFiles(top, { 'old.txt': `${LINES}one\nTWO\nthree\n${LINES}` }),
      'patch-conflict',
      /old\.txt/,
    ],
    ['a file that is gone', remove, 'patch-conflict', /old\.txt/],
  ];
  for (const [what, prepare, code, text] of REFUSALS) {
    it(`changes nothing for ${what}`, async () => {
      await using place = makePlace();
      const { source, apply } = await makeReady(place);
      prepare(source);
      const before = look(source);
      await assert.rejects(apply(), (error) => isError(error) && error.code === code && text.test(error.detail));
      assert.equal(look(source), before);
    });
  }

  it('runs no hook and no filter, whatever attributes it brings', async () => {
    await using place = makePlace();
    const { source, apply } = await makeReady(place);
    const mark = place.path('mark');
    for (const key of ['clean', 'smudge']) plainGit(source, 'config', `filter.evil.${key}`, `touch ${mark}; cat`);
    plainGit(source, 'config', 'filter.evil.required', 'true');
    for (const hook of ['post-checkout', 'post-index-change', 'reference-transaction']) {
      const path = join(source, '.git', 'hooks', hook);
      mkdirSync(join(source, '.git', 'hooks'), { recursive: true });
      writeFileSync(path, `#!/bin/sh\ntouch ${mark}\n`);
      chmodSync(path, 0o755);
    }
    await apply();
    assert.ok(!existsSync(mark));
    plainGit(source, 'checkout', '-q', '-f', 'HEAD');
    assert.ok(existsSync(mark), 'the trap goes off for plain git, or this could not fail');
  });

  it('needs a work tree with a commit', async () => {
    await using place = makePlace();
    const { source, apply } = await makeReady(place);
    plainGit(place.root, 'clone', '-q', '--bare', source, place.path('bare.git'));
    await assert.rejects(apply(place.path('bare.git')), /no work tree/);
    mkdirSync(place.path('empty'));
    plainGit(place.path('empty'), 'init', '-q');
    await assert.rejects(apply(place.path('empty')), (error) => isError(error, 'empty-repository'));
  });
});

function stage(source: string): void {
  writeFiles(source, { 'mine.txt': 'mine\n' });
  plainGit(source, 'add', 'mine.txt');
}

function remove(source: string): void {
  rmSync(join(source, 'old.txt'));
  commitFiles(source, {});
}
