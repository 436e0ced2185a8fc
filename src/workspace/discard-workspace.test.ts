import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { crashAt } from './crash.fixture.ts';
import { discardWorkspace, sweepRemovals } from './discard-workspace.ts';
import { makePlace, writeFiles } from './repository.fixture.ts';

describe('discardWorkspace', () => {
  it('deletes the tree, and follows no symlink out of it', async () => {
    await using place = makePlace();
    writeFiles(place.root, { 'ws/a/b/c': 'x', 'ws/-rf': 'x', 'outside/precious': 'kept' });
    symlinkSync(place.path('outside'), place.path('ws/link'));
    symlinkSync(place.path('outside/precious'), place.path('ws/a/link'));
    const request = { workspaceDir: place.path('ws'), removalsDir: place.path('removals'), op: 'job_1.2' };
    await discardWorkspace(request);
    assert.ok(!existsSync(place.path('ws')));
    assert.deepEqual(readdirSync(place.path('removals')), []);
    assert.equal(readFileSync(place.path('outside/precious'), 'utf8'), 'kept');
    await discardWorkspace(request);
  });

  it('removes a workspace that is a symlink, not what it points to', async () => {
    await using place = makePlace();
    writeFiles(place.root, { 'outside/precious': 'kept' });
    symlinkSync(place.path('outside'), place.path('ws'));
    await discardWorkspace({ workspaceDir: place.path('ws'), removalsDir: place.path('removals'), op: 'op_1' });
    assert.ok(!existsSync(place.path('ws')));
    assert.equal(readFileSync(place.path('outside/precious'), 'utf8'), 'kept');
  });

  it('deletes directories nobody may write, and ones deeper than a path can name', async () => {
    await using place = makePlace();
    mkdirSync(place.path('ws/locked/in'), { recursive: true });
    writeFileSync(place.path('ws/locked/in/file'), 'x');
    chmodSync(place.path('ws/locked/in'), 0o500);
    chmodSync(place.path('ws/locked'), 0o000);
    const before = process.cwd();
    process.chdir(place.path('ws'));
    try {
      for (let depth = 0; depth < 60; depth++) {
        mkdirSync('d'.repeat(200));
        process.chdir('d'.repeat(200));
      }
    } finally {
      process.chdir(before);
    }
    await discardWorkspace({ workspaceDir: place.path('ws'), removalsDir: place.path('removals'), op: 'op_1' });
    assert.deepEqual(readdirSync(place.path('removals')), []);
  });

  for (const point of ['removal.before-rename', 'removal.after-rename', 'removal.after-delete'] as const) {
    it(`killed at ${point}: never half of it under its name, and done when repeated`, async () => {
      await using place = makePlace();
      writeFiles(place.root, { 'ws/a': 'x', 'ws/b/c': 'x' });
      const request = { workspaceDir: place.path('ws'), removalsDir: place.path('removals'), op: 'op_1' };
      crashAt(point, { do: 'discardWorkspace', with: request });
      assert.equal(existsSync(place.path('ws/b/c')), point === 'removal.before-rename');
      assert.equal(existsSync(place.path('ws')), point === 'removal.before-rename');
      await discardWorkspace(request);
      assert.deepEqual([existsSync(place.path('ws')), readdirSync(place.path('removals'))], [false, []]);
    });
  }

  it('goes on where an earlier try was killed', async () => {
    await using place = makePlace();
    writeFiles(place.root, { 'removals/op_1~abc/half/gone': 'x', 'removals/op_10~abc/other': 'x', 'ws/a': 'x' });
    await discardWorkspace({ workspaceDir: place.path('ws'), removalsDir: place.path('removals'), op: 'op_1' });
    assert.deepEqual(readdirSync(place.path('removals')), ['op_10~abc']);
    const bad = { workspaceDir: place.path('ws'), removalsDir: place.path('removals'), op: '../..' };
    await assert.rejects(discardWorkspace(bad), (error) => isError(error, 'bad-name'));
  });
});

describe('sweepRemovals', () => {
  it('deletes whatever waits for it', async () => {
    await using place = makePlace();
    writeFiles(place.root, { 'removals/a~1/x': 'x', 'removals/b~2/y/z': 'x', 'removals/file': 'x' });
    const { removed, failed } = await sweepRemovals(place.path('removals'));
    assert.deepEqual(removed.toSorted(), ['a~1', 'b~2', 'file']);
    assert.deepEqual(failed, []);
    assert.deepEqual(readdirSync(place.path('removals')), []);
    assert.deepEqual(await sweepRemovals(place.path('nothing here')), { removed: [], failed: [] });
  });
});
