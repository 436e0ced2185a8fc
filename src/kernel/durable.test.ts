import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  createDurable,
  createDurableSync,
  makeDirectory,
  makeDirectorySync,
  readIfExists,
  readIfExistsSync,
  removeDurable,
  renameDurable,
  TEMP_PREFIX,
  writeDurable,
  writeDurableSync,
} from './durable.ts';

const fixture = join(import.meta.dirname, 'durable.fixture.ts');

/** No user of this number needs to exist; root becomes it, because root may read everything. */
const UNPRIVILEGED = 65_534;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'durable-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Each pair does the same, with and without blocking. */
const BOTH = {
  sync: {
    write: (path: string, data: string | Uint8Array) => Promise.resolve(writeDurableSync(path, data)),
    create: (path: string, data: string) => Promise.resolve(createDurableSync(path, data)),
    read: (path: string) => Promise.resolve(readIfExistsSync(path)),
    makeDirectory: (path: string) => Promise.resolve(makeDirectorySync(path)),
  },
  async: { write: writeDurable, create: createDurable, read: readIfExists, makeDirectory },
};

function hasErrno(errno: string) {
  return (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === errno;
}

for (const [name, both] of Object.entries(BOTH)) {
  const {
    write,
    create,
    read,
    makeDirectory: make,
  } = {
    write: async (path: string, data: string | Uint8Array) => both.write(path, data),
    create: async (path: string, data: string) => both.create(path, data),
    read: async (path: string) => both.read(path),
    makeDirectory: async (path: string) => both.makeDirectory(path),
  };

  describe(`durable files, ${name}`, () => {
    it('are written, replaced and read back, and leave nothing beside them', async () => {
      const path = join(dir, 'a');
      for (const text of ['one', '', 'a longer one', 'x'.repeat(300_000)]) {
        await write(path, text);
        assert.equal((await read(path))?.toString(), text);
      }
      await write(path, new Uint8Array([0, 255, 10]));
      assert.deepEqual(await read(path), Buffer.from([0, 255, 10]));
      assert.deepEqual(readdirSync(dir), ['a']);
    });

    it('are closed to others', async () => {
      await write(join(dir, 'a'), '');
      await create(join(dir, 'b'), '');
      await make(join(dir, 'c/d'));
      const modes = ['a', 'b', 'c', 'c/d'].map((path) => statSync(join(dir, path)).mode & 0o777);
      assert.deepEqual(modes, [0o600, 0o600, 0o700, 0o700]);
    });

    it('are created once: the second call changes nothing and says so', async () => {
      const path = join(dir, 'a');
      assert.equal(await create(path, 'first'), true);
      assert.equal(await create(path, 'second'), false);
      assert.equal(readFileSync(path, 'utf8'), 'first');
      assert.deepEqual(readdirSync(dir), ['a']);
    });

    it('replace a link instead of following it', async () => {
      writeFileSync(join(dir, 'victim'), 'kept');
      symlinkSync(join(dir, 'victim'), join(dir, 'a'));
      assert.equal(await create(join(dir, 'a'), 'x'), false);
      await write(join(dir, 'a'), 'x');
      assert.equal(readFileSync(join(dir, 'victim'), 'utf8'), 'kept');
      assert.equal(readFileSync(join(dir, 'a'), 'utf8'), 'x');
    });

    it('fail whole: no temp file stays, and what was there stays', async () => {
      mkdirSync(join(dir, 'full/inner'), { recursive: true });
      await assert.rejects(write(join(dir, 'full'), 'x'), hasErrno('EISDIR'));
      await assert.rejects(write(join(dir, 'none/a'), 'x'), hasErrno('ENOENT'));
      await assert.rejects(create(join(dir, 'none/a'), 'x'), hasErrno('ENOENT'));
      assert.equal(await create(join(dir, 'full'), 'x'), false);
      assert.deepEqual(readdirSync(dir), ['full']);
    });

    it('are absent by ENOENT alone', async () => {
      writeFileSync(join(dir, 'file'), '');
      symlinkSync('loop', join(dir, 'loop'));
      assert.equal(await read(join(dir, 'none')), null);
      assert.equal(await read(join(dir, 'none/a')), null);
      await assert.rejects(read(join(dir, 'file/a')), hasErrno('ENOTDIR'));
      await assert.rejects(read(join(dir, 'loop')), hasErrno('ELOOP'));
      await assert.rejects(read(dir), hasErrno('EISDIR'));
    });

    it('lie in directories that may exist, in part or whole', async () => {
      for (const path of ['a/b/c', 'a/b/c', 'a/b', 'a/d/', './a/../a/e']) await make(`${dir}/${path}`);
      assert.deepEqual(readdirSync(dir, { recursive: true, encoding: 'utf8' }).toSorted(), [
        'a',
        'a/b',
        'a/b/c',
        'a/d',
        'a/e',
      ]);
      await make('/');
    });

    it('do not turn a file into a directory, nor look for a place that cannot be', async () => {
      writeFileSync(join(dir, 'file'), '');
      symlinkSync('nowhere', join(dir, 'dangling'));
      await assert.rejects(make(join(dir, 'file')), hasErrno('EEXIST'));
      await assert.rejects(make(join(dir, 'dangling')), hasErrno('EEXIST'));
      await assert.rejects(make(join(dir, 'file/a')));
      await assert.rejects(make('/proc/none'), hasErrno('ENOENT'));
    });

    it('make a directory once when many ask at a time', async () => {
      const paths = Array.from({ length: 40 }, (_, i) => join(dir, `a/b/${i % 4}`));
      await Promise.all(paths.map((path) => make(path)));
      assert.deepEqual(readdirSync(join(dir, 'a/b')).toSorted(), ['0', '1', '2', '3']);
    });
  });
}

describe('writeDurable', () => {
  it('gives the mode it is told', async () => {
    await writeDurable(join(dir, 'a'), '', 0o700);
    assert.equal(statSync(join(dir, 'a')).mode & 0o777, 0o700);
  });
});

describe('renameDurable and removeDurable', () => {
  it('move between directories, and refuse what is not there', async () => {
    mkdirSync(join(dir, 'from/a'), { recursive: true });
    mkdirSync(join(dir, 'to'));
    await renameDurable(join(dir, 'from/a'), join(dir, 'to/b'));
    assert.deepEqual(readdirSync(dir, { recursive: true, encoding: 'utf8' }).toSorted(), ['from', 'to', 'to/b']);
    await assert.rejects(renameDurable(join(dir, 'from/a'), join(dir, 'to/c')), hasErrno('ENOENT'));
  });

  it('remove a file, also twice, but no directory', async () => {
    writeFileSync(join(dir, 'a'), '');
    await removeDurable(join(dir, 'a'));
    await removeDurable(join(dir, 'a'));
    assert.deepEqual(readdirSync(dir), []);
    await assert.rejects(removeDurable(dir));
  });
});

/** Starts the program beside this test in its own process; it says `ready` and waits for the word to go. */
async function startRacer(role: string, ...args: string[]): Promise<ChildProcess> {
  const child = fork(fixture, [role, dir, ...args], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(child, 'message');
  return child;
}

describe('processes that race', () => {
  it('create each file exactly once, whole', async () => {
    const rounds = 200;
    const racers = await Promise.all(['0', '1', '2', '3'].map((name) => startRacer('create', name, String(rounds))));
    const won = await Promise.all(
      racers.map(async (racer) => {
        const exited = once(racer, 'exit');
        const told = once(racer, 'message') as Promise<[number[]]>;
        racer.send('go');
        const [[rows]] = [await told, await exited];
        return rows;
      }),
    );
    for (let round = 0; round < rounds; round++) {
      const winners = won.flatMap((rows, name) => (rows.includes(round) ? [name] : []));
      assert.equal(winners.length, 1, `round ${round}: won by ${winners.join(' ') || 'nobody'}`);
      assert.equal(readFileSync(join(dir, String(round)), 'utf8'), String(winners[0]).repeat(20_000));
    }
    assert.equal(readdirSync(dir).length, rounds);
  });

  it('killed at any moment leave the old content or the new, and at most a temp file', async () => {
    const path = join(dir, 'a');
    for (let round = 0; round < 12; round++) {
      const racer = await startRacer('replace', 'a');
      const exited = once(racer, 'exit');
      racer.send('go');
      await once(racer, 'message');
      const reads = 1 + round * 3;
      for (let i = 0; i < reads; i++) assert.match(readFileSync(path, 'utf8'), /^(.)\1{49999}$/);
      racer.kill('SIGKILL');
      await exited;
      assert.match(readFileSync(path, 'utf8'), /^(.)\1{49999}$/);
      const left = readdirSync(dir).filter((name) => name !== 'a');
      for (const name of left) {
        assert.ok(name.startsWith(TEMP_PREFIX), name);
        rmSync(join(dir, name));
      }
    }
  });
});

describe('a home inside a directory that may not be read', () => {
  it('is fine once it exists', async () => {
    const closed = join(dir, 'closed');
    mkdirSync(join(closed, 'home'), { recursive: true });
    if (process.getuid?.() === 0) {
      chmodSync(dir, 0o711);
      chownSync(closed, UNPRIVILEGED, UNPRIVILEGED);
    }
    chmodSync(closed, 0o311);
    const child = fork(fixture, ['directory', join(closed, 'home'), String(UNPRIVILEGED)], { execArgv: [] });
    const [code] = (await once(child, 'exit')) as [number | null];
    chmodSync(closed, 0o711);
    assert.equal(code, 0);
  });
});
