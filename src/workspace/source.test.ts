import assert from 'node:assert/strict';
import { chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isError, type ErrorCode } from '../kernel/errors.ts';
import { commitFiles, makePlace, makeRepository, plainGit, runPlain } from './repository.fixture.ts';
import { classifySource, isBranchName, suggestName } from './source-address.ts';
import { inspectSource } from './source.ts';

async function refusal(source: string, base?: string): Promise<ErrorCode | null> {
  try {
    await inspectSource(source, { base });
    return null;
  } catch (error) {
    if (isError(error)) return error.code;
    throw error;
  }
}

describe('a source address', () => {
  it('is refused before anything is run when it could be more than an address', async () => {
    const refused = [
      ['', 'relative/path', './here', '../there', '~/home', 'name', 'C:\\repo'],
      ['ext::sh -c "touch canary"', 'ext::sh', 'fd::17', 'file::/etc', 'https::https://host.test/x'],
      ['file:///etc', 'git://host.test/x', 'http://host.test/x', 'ftp://host.test/x', 'gopher://host.test/x'],
      ['-u./canary', '--upload-pack=touch canary', '-oProxyCommand=touch canary', '--', '-'],
      ['ssh://-oProxyCommand=touch%20canary/x', 'ssh://-oProxyCommand/x', 'ssh://%2doProxyCommand=x/y'],
      ['-oProxyCommand=x:path', 'user@-oProxyCommand=x:path', '-oProxyCommand@host.test:path', 'host.test:-path'],
      ['ssh://-user@host.test/x', 'ssh://host.test', 'https://', 'https:///x', 'https://host.test/'],
      ['https://host.test/x\0y', '/path\0', '/path\n', 'https://host.test/x\r\nHost: y', 'host.test:pa th'],
      ['https://user:secret@host.test/x', 'https://token@host.test/x', 'ssh://git:secret@host.test/x'],
      ['https://host.test/x?y=z', 'https://host.test/x#y', 'https://host.test/a\\b', 'https://-x.test/y'],
      ['a'.repeat(5000), ':path', 'host.test::path', '@host.test:x'],
    ].flat();
    for (const source of refused) assert.equal(await refusal(source), 'source-refused', JSON.stringify(source));
  });

  it('is accepted in the forms people use', () => {
    for (const source of [
      ['https://host.test/owner/name.git', 'https://host.test:8443/x', 'ssh://git@host.test:2222/x.git'],
      ['git@host.test:owner/name.git', 'host.test:name', 'ssh://git@[::1]/x', 'git@[::1]:x', 'ssh://h/~user/x'],
    ].flat()) {
      assert.equal(classifySource(source), 'url', source);
    }
    assert.equal(classifySource('/srv/a b/ünïcode'), 'path');
  });

  it('suggests a name in the characters a name may have', () => {
    assert.equal(suggestName('git@host.test:owner/my.project.git'), 'my.project');
    assert.equal(suggestName('/srv/-rf ünï/'), 'rf-n-');
    assert.equal(suggestName('/'), 'repository');
    assert.equal(suggestName(`/${'x'.repeat(99)}`).length, 64);
  });
});

describe('a branch name', () => {
  const names = [
    ['main', 'a/b', 'holdfast/job-12', 'ünï', 'x@y', 'a.b', 'release-1.0', "it's", 'a{b}', '+x', '#1', 'a%b'],
    ['', '-f', '--upload-pack=x', 'a..b', 'a b', 'a~1', 'a^', 'a:b', 'a?', 'a*', 'a[b', 'a\\b', 'a\nb', 'a\0'],
    ['.a', 'a/.b', 'a.lock', 'a.lock/b', 'a.', 'a/', '/a', 'a//b', '@', 'a@{0}', 'HEAD'],
  ].flat();

  it('is never accepted where git would refuse it', () => {
    let accepted = 0;
    for (const name of names) {
      if (!isBranchName(name)) continue;
      accepted++;
      assert.equal(runPlain('/', ['git', 'check-ref-format', '--branch', name]).status, 0, JSON.stringify(name));
    }
    assert.ok(accepted >= 12, `only ${accepted} names were accepted`);
  });
});

describe('inspectSource', () => {
  it('finds the top of a work tree, its branch and a name', async () => {
    await using place = makePlace();
    const repo = place.path('some repo');
    makeRepository(repo, { 'deep/down/file': 'x' });
    plainGit(repo, 'checkout', '-q', '-b', 'trunk');
    symlinkSync(repo, place.path('link'));
    const expected = { kind: 'path', source: repo, base: 'trunk', name: 'some-repo' };
    for (const path of ['some repo', 'some repo/', 'some repo/deep/down', 'some repo/.git', 'link', 'link/deep']) {
      assert.deepEqual(await inspectSource(place.path(path)), expected, path);
    }
  });

  it('takes bare repositories and linked work trees', async () => {
    await using place = makePlace();
    const repo = place.path('repo');
    makeRepository(repo);
    plainGit(place.root, 'clone', '-q', '--bare', 'repo', 'bare.git');
    plainGit(repo, 'worktree', 'add', '-q', '-b', 'side', place.path('linked'));
    assert.deepEqual(await inspectSource(place.path('bare.git')), {
      kind: 'path',
      source: place.path('bare.git'),
      base: 'main',
      name: 'bare',
    });
    assert.equal((await inspectSource(place.path('linked'))).base, 'side');
  });

  it('does not take a bare repository planted above the path that was named', async () => {
    await using place = makePlace();
    makeRepository(place.path('outer'));
    plainGit(place.path('outer'), 'init', '-q', '--bare', 'planted.git');
    mkdirSync(place.path('outer/planted.git/sub'));
    assert.equal((await inspectSource(place.path('outer/planted.git/sub'))).source, place.path('outer'));
  });

  it('names what is wrong with what is no usable repository', async () => {
    await using place = makePlace();
    mkdirSync(place.path('plain'));
    writeFileSync(place.path('file'), 'x');
    plainGit(place.root, 'init', '-q', 'empty');
    assert.equal(await refusal(place.path('plain')), 'not-a-repository');
    assert.equal(await refusal(place.path('file')), 'not-a-repository');
    assert.equal(await refusal(place.path('missing')), 'not-a-repository');
    assert.equal(await refusal(place.path('empty')), 'empty-repository');
  });

  it('takes the branch that was named, if it exists, and one that makes sense when HEAD is detached', async () => {
    await using place = makePlace();
    const repo = place.path('repo');
    makeRepository(repo);
    plainGit(repo, 'branch', 'feature/x');
    assert.equal((await inspectSource(repo, { base: 'feature/x' })).base, 'feature/x');
    assert.equal(await refusal(repo, 'feature/y'), 'branch-not-found');
    assert.equal(await refusal(repo, '--upload-pack=x'), 'bad-name');
    plainGit(repo, 'checkout', '-q', '--detach');
    assert.equal((await inspectSource(repo)).base, 'main');
    plainGit(repo, 'branch', '-m', 'main', 'other');
    assert.equal(await refusal(repo), 'branch-not-found');
  });

  it('reads the repository of another user only as root', async () => {
    if (process.geteuid?.() !== 0) {
      // Nobody can give files away without being root; what everybody has of root's is the file system itself.
      assert.equal(await refusal('/'), 'not-a-repository');
      return;
    }
    await using place = makePlace();
    const repo = place.path('repo');
    makeRepository(repo);
    commitFiles(repo, { more: 'x' });
    for (const path of [repo, `${repo}/.git`]) chownSync(path, 12345, 12345);
    assert.equal((await inspectSource(repo)).base, 'main');
  });
});
