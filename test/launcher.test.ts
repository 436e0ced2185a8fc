/** bin/holdfast: which Node it takes, what it runs, and that it becomes the program instead of standing before it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const launcher = resolve(import.meta.dirname, '../bin/holdfast');
const node24 = realpathSync(process.execPath);

/** Tells how it was run, as JSON; ends with 7, or waits for a signal when asked. */
const PROGRAM = `
const [first] = process.argv.slice(2);
console.log(JSON.stringify({
  pid: process.pid, node: process.execPath, main: process.argv[1], args: process.argv.slice(2),
  cache: process.env.NODE_COMPILE_CACHE ?? null,
}));
if (first === 'wait') setInterval(() => {}, 1000); else process.exitCode = 7;
`;

interface Told {
  pid: number;
  node: string;
  main: string;
  args: string[];
  cache: string | null;
}

let dir: string;
let root: string;
/** A PATH with what the launcher needs of the system, and no node. */
let tools: string;

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

function putNode(path: string, version: string): void {
  put(
    path,
    `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; exit 0; fi\necho 'the wrong node ran' >&2\nexit 99\n`,
    0o755,
  );
}

function putProgram(path: string): void {
  put(path, PROGRAM);
}

function pin(): void {
  mkdirSync(join(root, 'node_modules/node/bin'), { recursive: true });
  symlinkSync(node24, join(root, 'node_modules/node/bin/node'));
}

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'launcher-')));
  root = join(dir, 'a checkout');
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync(launcher, join(root, 'bin/holdfast'));
  chmodSync(join(root, 'bin/holdfast'), 0o755);
  put(join(root, 'package.json'), '{"type":"module"}');
  put(join(root, 'package-lock.json'), '{}');
  mkdirSync(join(root, 'node_modules/commander'), { recursive: true });
  putProgram(join(root, 'src/cli/main.ts'));
  put(join(root, 'dist/keeper.js'), '');
  tools = join(dir, 'tools');
  mkdirSync(tools);
  for (const name of ['dirname', 'readlink', 'mkdir']) {
    const found = ['/usr/bin', '/bin'].map((folder) => join(folder, name)).find((path) => existsSync(path));
    symlinkSync(found ?? assert.fail(`no ${name} on this machine`), join(tools, name));
  }
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

interface Run {
  command?: string[];
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
}

function launch({ command = [join(root, 'bin/holdfast')], args = [], env = {}, cwd = dir }: Run = {}) {
  const [program = '', ...before] = command;
  const result = spawnSync(program, [...before, ...args], { cwd, env: { PATH: tools, ...env }, encoding: 'utf8' });
  assert.equal(result.error, undefined);
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

/** Runs it and expects that the program ran. */
function launched(run: Run = {}): Told {
  const { status, stdout, stderr } = launch(run);
  assert.deepEqual({ status, stderr }, { status: 7, stderr: '' });
  return JSON.parse(stdout) as Told;
}

const shells = ['/bin/sh', '/bin/bash', '/bin/dash', '/bin/busybox'].filter((path) => existsSync(path));

describe('bin/holdfast', () => {
  for (const shell of shells) {
    it(`runs the pinned Node under ${shell}, whatever node PATH holds`, () => {
      pin();
      putNode(join(tools, 'node'), 'v20.20.2');
      const command = [...(shell.endsWith('busybox') ? [shell, 'sh'] : [shell]), join(root, 'bin/holdfast')];
      const told = launched({ command });
      assert.equal(told.node, node24);
      assert.equal(told.main, join(root, 'src/cli/main.ts'));
    });
  }

  it('passes every argument as it is', () => {
    pin();
    const args = ['--', '', 'a b', '*', '$HOME', "it's", 'two\nlines', '-n'];
    assert.deepEqual(launched({ args }).args, args);
  });

  it('is the program: same pid, and its signals', async () => {
    pin();
    const child = spawn(join(root, 'bin/holdfast'), ['wait'], {
      env: { PATH: tools },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const [first] = (await once(child.stdout, 'data')) as [Buffer];
    const { pid } = JSON.parse(first.toString()) as Told;
    child.kill('SIGTERM');
    // A launcher that only waits for the program would leave it behind.
    if (pid !== child.pid) process.kill(pid);
    assert.equal(pid, child.pid);
    assert.deepEqual(await ended, [null, 'SIGTERM']);
  });

  it('takes the node of PATH when none is pinned', () => {
    symlinkSync(node24, join(tools, 'node'));
    assert.equal(launched().node, node24);
  });

  for (const [name, spoil] of Object.entries({
    'too old': (path: string) => putNode(path, 'v22.1.0'),
    'not executable': (path: string) => put(path, '#!/bin/sh\n', 0o644),
    'of another machine': (path: string) => put(path, '\x7fELF', 0o755),
    'empty, as an install without scripts may leave it': (path: string) => put(path, '', 0o755),
  })) {
    it(`takes the node of PATH when the pinned one is ${name}`, () => {
      spoil(join(root, 'node_modules/node/bin/node'));
      symlinkSync(node24, join(tools, 'node'));
      assert.equal(launched().node, node24);
    });
  }

  for (const version of [null, 'v20.20.2', 'v9.11.2', 'v23.99.0', 'nonsense', '']) {
    it(`says what to do when PATH holds ${version === null ? 'no node' : `node "${version}"`}`, () => {
      if (version !== null) putNode(join(tools, 'node'), version);
      const { status, stdout, stderr } = launch();
      assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
      assert.match(stderr, /Node 24 or newer is needed/);
      assert.match(stderr, /Run `npm ci` in .*a checkout/);
      assert.match(stderr, /npm rebuild node && npm run prepare/);
    });
  }

  for (const version of ['v24.0.0', 'v25.1.0', 'v100.0.0']) {
    it(`accepts ${version}`, () => {
      putNode(join(tools, 'node'), version);
      assert.equal(launch().status, 99);
    });
  }

  it('follows links, absolute and relative', () => {
    pin();
    const bin = join(dir, 'global/bin');
    mkdirSync(bin, { recursive: true });
    symlinkSync(join(root, 'bin/holdfast'), join(bin, 'one'));
    symlinkSync('one', join(bin, 'two'));
    symlinkSync('../global/bin/two', join(dir, 'tools/holdfast'));
    assert.equal(launched({ command: [join(dir, 'tools/holdfast')] }).main, join(root, 'src/cli/main.ts'));
    assert.equal(launched({ command: ['tools/holdfast'] }).main, join(root, 'src/cli/main.ts'));
    assert.equal(
      launched({ command: ['/bin/sh', 'holdfast'], cwd: join(root, 'bin') }).main,
      join(root, 'src/cli/main.ts'),
    );
  });

  it('says what to do in a checkout without packages', () => {
    pin();
    rmSync(join(root, 'node_modules/commander'), { recursive: true });
    const { status, stdout, stderr } = launch();
    assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
    assert.match(stderr, /Run `npm ci` in .*a checkout/);
  });

  it('warns when the keeper was not built, and goes on', () => {
    pin();
    rmSync(join(root, 'dist'), { recursive: true });
    const { status, stderr } = launch();
    assert.equal(status, 7);
    assert.match(stderr, /`npm run prepare` has built the keeper in .*a checkout/);
  });

  describe('in an installed package', () => {
    beforeEach(() => {
      rmSync(join(root, 'src'), { recursive: true });
      rmSync(join(root, 'package-lock.json'));
      rmSync(join(root, 'node_modules'), { recursive: true });
    });

    it('runs dist', () => {
      putProgram(join(root, 'dist/cli/main.js'));
      symlinkSync(node24, join(tools, 'node'));
      assert.equal(launched().main, join(root, 'dist/cli/main.js'));
    });

    it('asks for Node 24, not for npm ci', () => {
      putNode(join(tools, 'node'), 'v20.20.2');
      const { status, stderr } = launch();
      assert.equal(status, 1);
      assert.match(stderr, /Install Node 24, or put one beside holdfast with `npm install node@24`/);
      assert.doesNotMatch(stderr, /npm ci/);
    });

    it('takes the Node that npm put beside it, and no neighbour elsewhere', () => {
      putNode(join(tools, 'node'), 'v20.20.2');
      for (const [parent, status] of [
        ['node_modules', 7],
        ['elsewhere', 1],
      ] as const) {
        const own = join(dir, parent, 'holdfast');
        putProgram(join(own, 'dist/cli/main.js'));
        put(join(own, 'package.json'), '{"type":"module"}');
        put(join(own, 'bin/holdfast'), readFileSync(launcher, 'utf8'), 0o755);
        mkdirSync(join(dir, parent, 'node/bin'), { recursive: true });
        symlinkSync(node24, join(dir, parent, 'node/bin/node'));
        assert.equal(launch({ command: [join(own, 'bin/holdfast')] }).status, status, parent);
      }
    });

    it('names what is missing', () => {
      symlinkSync(node24, join(tools, 'node'));
      const { status, stderr } = launch();
      assert.equal(status, 1);
      assert.match(stderr, /dist\/cli\/main\.js is missing/);
    });
  });

  describe('keeps compiled modules', () => {
    beforeEach(pin);

    it('in the cache folder of the user, closed to others', () => {
      const cache = join(dir, 'home/.cache/holdfast/compile');
      assert.equal(launched({ env: { HOME: join(dir, 'home') } }).cache, cache);
      assert.equal(statSync(cache).mode & 0o777, 0o700);
    });

    it('in XDG_CACHE_HOME when that is absolute', () => {
      const env = { HOME: join(dir, 'home'), XDG_CACHE_HOME: join(dir, 'xdg') };
      assert.equal(launched({ env }).cache, join(dir, 'xdg/holdfast/compile'));
      assert.equal(
        launched({ env: { ...env, XDG_CACHE_HOME: 'relative' } }).cache,
        join(dir, 'home/.cache/holdfast/compile'),
      );
    });

    it('where the caller says, and nowhere when it says nothing on purpose', () => {
      const env = { HOME: join(dir, 'home') };
      const given = join(dir, 'given');
      assert.equal(launched({ env: { ...env, NODE_COMPILE_CACHE: given } }).cache, given);
      assert.equal(launched({ env: { ...env, NODE_COMPILE_CACHE: '' } }).cache, '');
    });

    it('not at all without a usable folder', () => {
      put(join(dir, 'file'), '');
      assert.equal(launched().cache, null);
      assert.equal(launched({ env: { HOME: join(dir, 'file') } }).cache, null);
      assert.equal(launched({ env: { HOME: '/proc/self' } }).cache, null);
    });
  });
});
