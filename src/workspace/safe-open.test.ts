import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { makePlace, writeFiles } from './repository.fixture.ts';
import { safeOpen } from './safe-open.ts';

describe('safeOpen', () => {
  it('opens a plain file, whatever its name, below a root that may itself be a symlink', async () => {
    await using place = makePlace();
    writeFiles(place.root, { 'root/deep/file': 'content', 'root/a\nb ..': 'odd' });
    symlinkSync(place.path('root'), place.path('link'));
    for (const [root, name, expected] of [
      ['root', 'deep/file', 'content'],
      ['root', 'a\nb ..', 'odd'],
      ['link', 'deep/file', 'content'],
    ] as const) {
      await using handle = await safeOpen(place.path(root), name);
      assert.equal(await handle.readFile('utf8'), expected);
    }
  });

  it('refuses everything that is not, without blocking', async () => {
    await using place = makePlace();
    writeFiles(place.root, { 'outside/secret': 'x', 'root/dir/file': 'x', 'root/file': 'x', 'root/linked': 'x' });
    symlinkSync('/etc/passwd', place.path('root/symlink'));
    symlinkSync('file', place.path('root/inner-symlink'));
    symlinkSync(place.path('outside'), place.path('root/parent'));
    symlinkSync('dir', place.path('root/inner-parent'));
    linkSync(place.path('outside/secret'), place.path('root/hard'));
    execFileSync('mkfifo', [place.path('root/pipe')]);
    const refused = ['symlink', 'inner-symlink', 'parent/secret', 'inner-parent/file', 'hard', 'pipe', 'dir'];
    refused.push(
      '../outside/secret',
      'dir/../../outside/secret',
      '/etc/passwd',
      '',
      '.',
      'a//b',
      './file',
      'dir/',
      'a\0b',
    );
    refused.push('file/below', 'x'.repeat(300), 'y/'.repeat(3000));
    for (const name of refused) {
      const opened = safeOpen(place.path('root'), name);
      await assert.rejects(opened, (error) => isError(error, 'workspace-unsafe'), JSON.stringify(name));
    }
    // Not even opened: what it leads to could be a device.
    const opened = safeOpen(place.path('root'), 'symlink');
    await assert.rejects(opened, (error) => isError(error) && error.detail.endsWith('is a symlink'));
  });

  it('says ENOENT for what does not exist, so that only that means absent', async () => {
    await using place = makePlace();
    mkdirSync(place.path('root'));
    await assert.rejects(safeOpen(place.path('root'), 'nothing'), { code: 'ENOENT' });
    await assert.rejects(safeOpen(place.path('no root'), 'nothing'), { code: 'ENOENT' });
  });

  it('leaves it to the reader how much of a huge file to take', async () => {
    await using place = makePlace();
    writeFileSync(place.path('sparse'), '');
    truncateSync(place.path('sparse'), 2 ** 40);
    await using handle = await safeOpen(place.root, 'sparse');
    assert.equal((await handle.read(Buffer.alloc(10), 0, 10, 0)).bytesRead, 10);
  });
});
