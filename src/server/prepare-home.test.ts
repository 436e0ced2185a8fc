import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { homeLayout } from '../lifecycle/home.ts';
import { prepareHome } from './prepare-home.ts';

test('a directory with something else in it is no home, and stays as it is', async () => {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-prepare-'));
  try {
    await mkdir(join(root, 'project'), { mode: 0o755 });
    await writeFile(join(root, 'project', 'README.md'), 'mine');
    await assert.rejects(
      prepareHome(homeLayout(join(root, 'project'))),
      (error) => isError(error, 'home-unusable') && /not empty \(it holds README\.md\)/.test(error.detail),
    );
    assert.equal((await stat(join(root, 'project'))).mode & 0o777, 0o755, 'its rights too');
    assert.deepEqual(await readdir(join(root, 'project')), ['README.md']);
    await writeFile(join(root, 'project', 'server.log'), 'of a detached start that was refused');
    await assert.rejects(prepareHome(homeLayout(join(root, 'project'))), (error) => isError(error, 'home-unusable'));
    for (const first of [null, 'holdfast.config.json', 'server.log', 'token', 'lost+found']) {
      const home = homeLayout(join(root, `home-${first ?? 'empty'}`));
      await mkdir(home.root);
      if (first !== null) await writeFile(join(home.root, first), '{}');
      await prepareHome(home);
      await prepareHome(home);
    }
  } finally {
    await rm(root, { recursive: true });
  }
});
