import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import { crashAt } from './crash.fixture.ts';
import { updateMirror } from './mirror.ts';
import { diffWorkspace, saveTree, type SaveTreeRequest } from './observe.ts';
import { prepareWorkspace } from './prepare-workspace.ts';
import {
  commitFiles,
  listFiles,
  makePlace,
  makeRepository,
  makeWorld,
  plainGit,
  runPlain,
  writeFiles,
  type World,
} from './repository.fixture.ts';

function diff(world: World, maxBytes?: number): Promise<string> {
  return diffWorkspace({ ...world, baseCommit: world.base, ...(maxBytes === undefined ? {} : { maxBytes }) });
}

const REF = 'refs/holdfast/job_1/attempt-1';

function save(world: World, more: Partial<SaveTreeRequest> = {}): Promise<string> {
  return saveTree({ ...world, ref: REF, message: 'saved', parent: world.base, ...more });
}

function filesOf(world: World, commit: string): string[] {
  const list = plainGit(world.mirrorDir, 'ls-tree', '-r', '-z', '--name-only', commit);
  return list.split('\0').filter((name) => name !== '');
}

/** Everything of the agent's own git data, by content. */
function gitState(workspaceDir: string): string[] {
  const root = join(workspaceDir, '.git');
  return listFiles(root).map((name) => `${name} ${sha256(readFileSync(join(root, name)))}`);
}

/** A tree in every state an agent can leave: committed, staged, changed, untracked, deleted, renamed, ignored. */
async function makeBusyWorld(place: ReturnType<typeof makePlace>): Promise<World> {
  const long = Array.from({ length: 40 }, (_, n) => `line ${n}\n`).join('');
  const world = await makeWorld(place, {
    '.gitignore': 'ignored/\n',
    'changed.txt': 'old\n',
    'deleted.txt': 'gone\n',
    'before.txt': long,
    'run.sh': '#!/bin/sh\n',
    'ignored-but-tracked/keep': 'x\n',
  });
  const ws = world.workspaceDir;
  commitFiles(ws, { 'committed.txt': 'committed\n' });
  writeFiles(ws, { 'staged.txt': 'staged\n', 'ignored/cache': 'x\n' });
  plainGit(ws, 'add', 'staged.txt');
  writeFiles(ws, { 'stashed.txt': 'stashed\n' });
  plainGit(ws, 'stash', '-u', '-q');
  writeFiles(ws, { 'changed.txt': 'new\n', 'deep/er/untracked.txt': 'untracked\n', 'staged.txt': 'staged\n' });
  plainGit(ws, 'add', 'staged.txt');
  plainGit(ws, 'mv', 'before.txt', 'after.txt');
  rmSync(join(ws, 'deleted.txt'));
  chmodSync(join(ws, 'run.sh'), 0o755);
  writeFileSync(join(ws, 'binary.bin'), Buffer.from([0, 1, 2, 255]));
  symlinkSync('/etc/passwd', join(ws, 'link'));
  return world;
}

describe('diffWorkspace', () => {
  it('shows every kind of change and changes nothing', async () => {
    await using place = makePlace();
    const world = await makeBusyWorld(place);
    const state = gitState(world.workspaceDir);
    const mirror = listFiles(world.mirrorDir);
    const text = await diff(world);
    for (const expected of [
      /^\+committed$/m,
      /^\+staged$/m,
      /^-old\n\+new$/m,
      /^\+untracked$/m,
      /^deleted file mode 100644$/m,
      /^rename from before.txt\nrename to after.txt$/m,
      /^old mode 100644\nnew mode 100755$/m,
      /^Binary files \/dev\/null and b\/binary.bin differ$/m,
      /^new file mode 120000$/m,
    ]) {
      assert.match(text, expected);
    }
    assert.doesNotMatch(text, /stashed|cache|root:/);
    assert.deepEqual(gitState(world.workspaceDir), state);
    assert.deepEqual(listFiles(world.mirrorDir), mirror);
    assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
  });

  it('is empty for an untouched workspace, and applies to a fresh one', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { 'a.txt': 'one\ntwo\n', 'b.txt': 'x\n' });
    assert.equal(await diff(world), '');
    writeFiles(world.workspaceDir, { 'a.txt': 'one\nthree\n', 'new dir/c.txt': 'y\n' });
    makeRepository(join(world.workspaceDir, 'nested'), { inside: 'z\n' });
    rmSync(join(world.workspaceDir, 'b.txt'));
    const patch = place.path('patch');
    writeFileSync(patch, await diff(world));
    plainGit(world.source, 'apply', patch);
    for (const name of ['a.txt', 'new dir/c.txt', 'nested/inside']) {
      assert.equal(
        readFileSync(join(world.source, name), 'utf8'),
        readFileSync(join(world.workspaceDir, name), 'utf8'),
      );
    }
    assert.ok(!existsSync(join(world.source, 'b.txt')));
  });

  it('cannot be blinded by attributes, and does not need the .git of the workspace', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    writeFiles(world.workspaceDir, { '.gitattributes': '* binary -diff -text\n', 'evil.js': 'run()\n' });
    rmSync(join(world.workspaceDir, '.git'), { recursive: true });
    assert.match(await diff(world), /^\+run\(\)$/m);
  });

  it('says so when it was cut', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    writeFiles(world.workspaceDir, { long: 'line\n'.repeat(10_000) });
    const text = await diff(world, 5000);
    assert.ok(text.length < 5200);
    assert.match(text, /\n# the diff is longer than 5000 bytes and was cut here\n$/);
  });

  it('takes any name a file can have', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const names = [' ', '-rf', '--output=x', ':(exclude)*', '*', 'a\nb', 'a\tb', 'a\\b', 'git~1', '"', "'", 'CON', 'é'];
    names.push(
      '\u202egnp.exe',
      'x'.repeat(255),
      '.gitx',
      'a:b',
      '$(touch canary)',
      'HEAD',
      '#',
      '!x',
      'sp ace/in side',
    );
    for (const name of names) writeFiles(world.workspaceDir, { [name]: `content of ${JSON.stringify(name)}\n` });
    const bytes = Buffer.concat([Buffer.from(`${world.workspaceDir}/`), Buffer.from([0x66, 0xff, 0xfe])]);
    writeFileSync(bytes, 'not utf-8\n');
    const text = await diff(world);
    for (const name of names) assert.ok(text.includes(`+content of ${JSON.stringify(name)}\n`), JSON.stringify(name));
    assert.match(text, /^\+not utf-8$/m);
    assert.doesNotMatch(text, /\u202e[^"]*\n[+-]{3}/);
    const saved = filesOf(world, await save(world));
    for (const name of names) assert.ok(saved.includes(name), JSON.stringify(name));
    assert.ok(!existsSync(join(world.workspaceDir, 'canary')));
  });

  it('names what it cannot show instead of failing or blocking', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { pipe: 'was a file\n', 'README.md': 'x\n' });
    const ws = world.workspaceDir;
    rmSync(join(ws, 'pipe'));
    execFileSync('mkfifo', [join(ws, 'pipe'), join(ws, 'other-pipe')]);
    writeFiles(ws, { 'huge.bin': '', 'work.txt': 'done\n', '.GIT/config': 'x', locked: 'shut\n' });
    chmodSync(join(ws, 'locked'), 0o000);
    truncateSync(join(ws, 'huge.bin'), 2 ** 40);
    writeFiles(ws, { 'nested/huge.bin': '' });
    truncateSync(join(ws, 'nested/huge.bin'), 2 ** 40);
    plainGit(ws, 'init', '-q', 'nested');
    const text = await diff(world);
    assert.match(text, /^# huge\.bin is larger than/m);
    assert.match(text, /^# nested\/huge\.bin is larger than/m);
    assert.match(text, /^# pipe: can only add regular files/m);
    assert.match(text, /^# .*\.GIT\/config/m);
    assert.match(text, /^\+done$/m);
    // root may read everything.
    assert.match(text, process.geteuid?.() === 0 ? /^\+shut$/m : /^# .*locked.*Permission denied/m);
    const head = text.slice(0, text.indexOf('diff --git'));
    assert.ok(
      head.split('\n').every((line) => line === '' || line.startsWith('# ')),
      head,
    );
    const commit = await save(world);
    assert.match(plainGit(world.mirrorDir, 'show', '-s', '--format=%B', commit), /huge\.bin is larger than/);
  });
});

describe('repositories inside a workspace', () => {
  it('have their files shown and saved, whatever state they are in', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const ws = world.workspaceDir;
    makeRepository(join(ws, 'committed'), { file: 'one\n' });
    writeFiles(ws, { 'committed/dirty': 'two\n', 'unborn/file': 'three\n', 'committed/.gitignore': 'skip\n' });
    writeFiles(ws, { 'committed/skip': 'skipped\n', '.gitignore': 'ignored/\n' });
    makeRepository(join(ws, 'ignored'), { file: 'seven\n' });
    plainGit(ws, 'init', '-q', 'unborn');
    makeRepository(join(ws, 'unborn/deeper'), { file: 'four\n' });
    makeRepository(join(ws, 'staged'), { file: 'five\n' });
    plainGit(ws, 'add', 'staged');
    plainGit(ws, 'init', '-q', '--bare', 'bare');
    writeFiles(ws, { 'linked/file': 'six\n', 'linked/.git': `gitdir: ${join(ws, 'committed/.git')}\n` });
    const commit = await save(world);
    const files = filesOf(world, commit);
    const expected = ['committed/dirty', 'committed/file', 'unborn/file', 'unborn/deeper/file', 'staged/file'];
    for (const name of [...expected, 'linked/file', 'bare/HEAD']) assert.ok(files.includes(name), name);
    assert.ok(!files.includes('committed/skip'));
    assert.ok(!files.includes('ignored/file'));
    assert.doesNotMatch(plainGit(world.mirrorDir, 'ls-tree', '-r', commit), /^160000/m);
    const text = await diff(world);
    for (const word of ['one', 'two', 'three', 'four', 'five', 'six'])
      assert.match(text, new RegExp(`^\\+${word}$`, 'm'));
    assert.match(text, /^# unborn\/deeper\/ is a repository of its own: its files are included/m);
  });

  it('that the base has as submodules stay what they are until they have content', async () => {
    await using place = makePlace();
    const library = place.path('library');
    makeRepository(library, { 'lib.c': 'int x;\n' });
    const source = place.path('source');
    makeRepository(source);
    for (const name of ['kept', 'filled', 'removed', 'used']) {
      plainGit(source, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library, name);
    }
    const base = commitFiles(source, {});
    const mirrorDir = place.path('repos/r/mirror.git');
    const workspaceDir = place.path('jobs/j/workspace');
    await updateMirror({ mirrorDir, source, sourceKind: 'path', op: 'op_1', base: 'main' });
    await prepareWorkspace({ mirrorDir, workspaceDir, baseCommit: base, branch: 'holdfast/x', op: 'op_2' });
    const world: World = { source, mirrorDir, workspaceDir, base };
    assert.equal(await diff(world), '');
    // A program of the submodule's own configuration would run if git looked into it for us.
    const program = place.path('sing.sh');
    writeFileSync(program, `#!/bin/sh\ntouch ${place.path('canary')}\n`, { mode: 0o755 });
    plainGit(workspaceDir, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'update', '--init', 'filled');
    plainGit(join(workspaceDir, 'filled'), 'config', 'core.fsmonitor', program);
    plainGit(workspaceDir, 'status');
    assert.ok(existsSync(place.path('canary')), 'the trap does not go off under plain git');
    rmSync(place.path('canary'));
    appendFileSync(join(workspaceDir, 'filled/lib.c'), 'int y;\n');
    rmSync(join(workspaceDir, 'removed'), { recursive: true });
    writeFiles(workspaceDir, { 'used/file': 'content\n' });
    const text = await diff(world);
    assert.ok(!existsSync(place.path('canary')));
    assert.match(text, /^\+int y;$/m);
    assert.match(text, /^\+content$/m);
    assert.match(text, /diff --git a\/removed b\/removed\ndeleted file mode 160000/);
    assert.doesNotMatch(text, /a\/kept/);
    assert.match(plainGit(mirrorDir, 'ls-tree', await save(world)), /^160000 commit [0-9a-f]+\tkept$/m);
  });
});

describe('saveTree', () => {
  it('saves what git would add as one commit on a ref of ours, and touches nothing else', async () => {
    await using place = makePlace();
    const world = await makeBusyWorld(place);
    const state = gitState(world.workspaceDir);
    const commit = await save(world);
    assert.deepEqual(gitState(world.workspaceDir), state);
    assert.equal(plainGit(world.mirrorDir, 'rev-parse', REF).trim(), commit);
    assert.equal(plainGit(world.mirrorDir, 'rev-parse', `${REF}^`).trim(), world.base);
    const expected = ['.gitignore', 'after.txt', 'binary.bin', 'changed.txt', 'committed.txt', 'deep/er/untracked.txt'];
    expected.push('ignored-but-tracked/keep', 'link', 'run.sh', 'staged.txt');
    assert.deepEqual(filesOf(world, commit), expected);
    assert.match(plainGit(world.mirrorDir, 'ls-tree', commit, 'link'), /^120000/);
    const fsck = runPlain(world.mirrorDir, ['git', 'fsck', '--full', '--strict']);
    assert.equal(fsck.status, 0, fsck.stderr);
    assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
  });

  it('gives the same commit for the same tree, and keeps the old one of another', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    writeFiles(world.workspaceDir, { 'a.txt': 'one' });
    const first = await save(world);
    assert.equal(await save(world, { message: 'said otherwise' }), first);
    writeFiles(world.workspaceDir, { 'a.txt': 'two' });
    const second = await save(world);
    assert.notEqual(second, first);
    const log = plainGit(world.mirrorDir, 'reflog', 'show', '--format=%H', REF).trim().split('\n');
    assert.deepEqual(log, [second, first]);
    plainGit(world.mirrorDir, 'gc', '-q', '--prune=now');
    assert.equal(plainGit(world.mirrorDir, 'show', `${first}:a.txt`), 'one');
  });

  it('writes nowhere but below refs/holdfast', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    for (const ref of ['refs/heads/main', 'refs/holdfast/../heads/main', '--stdin', 'refs/holdfast/x.lock/y', 'HEAD']) {
      await assert.rejects(save(world, { ref }), (error) => isError(error, 'internal'), ref);
    }
  });

  it('takes over the lock of a dead save only when told that it is dead', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    mkdirSync(join(world.mirrorDir, 'refs/holdfast/job_1'), { recursive: true });
    writeFileSync(join(world.mirrorDir, `${REF}.lock`), '');
    await assert.rejects(save(world), (error) => isError(error, 'git-failed'));
    await save(world, { takeover: true });
  });

  for (const point of ['workspace.before-save-ref', 'workspace.after-save-ref'] as const) {
    it(`killed at ${point} is done by doing it again`, async () => {
      await using place = makePlace();
      const world = await makeBusyWorld(place);
      crashAt(point, { do: 'saveTree', with: { ...world, ref: REF, message: 'saved', parent: world.base } });
      const found = runPlain(world.mirrorDir, ['git', 'rev-parse', '--verify', '-q', REF]);
      assert.equal(found.status, point === 'workspace.after-save-ref' ? 0 : 1);
      const commit = await save(world, { takeover: true });
      if (found.status === 0) assert.equal(commit, found.stdout.trim());
      assert.equal(runPlain(world.mirrorDir, ['git', 'fsck', '--full', '--strict']).status, 0);
      await updateMirror({ ...world, sourceKind: 'path', op: 'op_7', base: 'main' });
      assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
      assert.equal(plainGit(world.mirrorDir, 'rev-parse', REF).trim(), commit);
    });
  }
});
