/** A small disk in memory, mounted where only this process and its children see it, for tests that fill it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { errnoOf } from '../../src/kernel/result.ts';
import { mountNamespace, whyNone } from './namespace.ts';

const INSIDE = 'TEST_INSIDE_NAMESPACE';

/**
 * Runs the tests of a file in a mount namespace of its own: the file runs itself again in it, and only there `tests` is
 * called, which must define `count` tests.
 */
export function inMountNamespace(file: string, name: string, what: { count: number; tests: () => void }): void {
  if (process.env[INSIDE] !== undefined) return what.tests();
  test(`${name}, in a namespace of its own`, { timeout: 300_000, skip: whyNone(mountNamespace()) }, () => {
    const [unshare = '', ...words] = mountNamespace() ?? [];
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
    const result = spawnSync(unshare, [...words, process.execPath, file], {
      env: { ...env, [INSIDE]: '1' },
      encoding: 'utf8',
    });
    assert.equal(result.status, 0, `${result.stdout}\n${result.stderr}`);
    // A run that holds no test ends well, too.
    assert.match(result.stdout, new RegExp(`^(?:#|ℹ) pass ${what.count}$`, 'm'));
  });
}

export class SmallDisk implements AsyncDisposable {
  readonly path: string;
  readonly bytes: number;

  /** Mounts it on `path`, an empty directory; it holds at most `files` files, where that is given. */
  constructor(path: string, bytes: number, files: number | null = null) {
    this.path = path;
    this.bytes = bytes;
    const inodes = files === null ? '' : `,nr_inodes=${files}`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}${inodes}`, 'none', path]);
  }

  private get ballast(): string {
    return join(this.path, 'ballast');
  }

  /** Bytes that are left. */
  async countFree(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  /** Takes what is left but `spare` bytes. */
  async fill(spare = 0): Promise<void> {
    const free = await this.countFree();
    const fd = openSync(this.ballast, 'a');
    const block = Buffer.alloc(4096);
    try {
      for (let left = free - spare; left > 0; left -= block.length) writeSync(fd, block);
    } catch (error) {
      assert.equal(errnoOf(error), 'ENOSPC');
    } finally {
      closeSync(fd);
    }
  }

  /** Takes every file that is left: what is there can be written, nothing can be added. */
  fillFiles(): void {
    mkdirSync(this.ballast);
    try {
      for (let n = 0; ; n++) closeSync(openSync(join(this.ballast, String(n)), 'wx'));
    } catch (error) {
      assert.equal(errnoOf(error), 'ENOSPC');
    }
  }

  async free(): Promise<void> {
    await rm(this.ballast, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    execFileSync('umount', ['--lazy', this.path]);
  }
}
