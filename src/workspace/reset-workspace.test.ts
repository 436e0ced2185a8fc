import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { harvestWork } from './harvest.ts';
import { makePlace, makeWorld, commitFiles } from './repository.fixture.ts';
import { resetWorkspace } from './reset-workspace.ts';

describe('a reset workspace', () => {
  it('has the tree of the commit again, what is ignored stays, and nothing else is touched', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const { workspaceDir, mirrorDir } = world;
    commitFiles(workspaceDir, { 'a.txt': 'a\n', 'b.txt': 'b\n', 'c/d.txt': 'd\n', '.gitignore': 'built/\n' });
    const ref = 'refs/holdfast/job_1/candidate-1';
    const found = await harvestWork({ mirrorDir, workspaceDir, baseCommit: world.base, ref, op: 'op_1' });
    assert.ok(found.kind === 'committed');
    const at = (path: string): string => join(workspaceDir, path);
    const before = statSync(at('b.txt'), { bigint: true }).ctimeNs;
    const request = { mirrorDir, workspaceDir, commit: found.commit, op: 'op_2' };
    await resetWorkspace(request);
    mkdirSync(at('empty'));
    await resetWorkspace(request);
    assert.equal(existsSync(at('empty')), false);
    mkdirSync(at('built'));
    writeFileSync(at('built/out'), 'made');
    mkdirSync(at('coverage/deep'), { recursive: true });
    writeFileSync(at('coverage/deep/report'), 'x');
    writeFileSync(at('a.txt'), 'changed by a gate\n');
    rmSync(at('c'), { recursive: true });
    for (let times = 0; times < 2; times++) {
      await resetWorkspace(request);
      assert.equal(readFileSync(at('a.txt'), 'utf8'), 'a\n');
      assert.equal(readFileSync(at('c/d.txt'), 'utf8'), 'd\n');
      assert.equal(existsSync(at('coverage')), false);
      assert.equal(readFileSync(at('built/out'), 'utf8'), 'made');
    }
    assert.equal(statSync(at('b.txt'), { bigint: true }).ctimeNs, before, 'what is as it should be is left alone');
    // One thing at a time: each alone is seen.
    const changes = [
      (): void => writeFileSync(at('a.txt'), 'b\n'),
      (): void => rmSync(at('c/d.txt')),
      (): void => chmodSync(at('a.txt'), 0o755),
      (): void => writeFileSync(at('left'), ''),
    ];
    for (const change of changes) {
      change();
      await resetWorkspace(request);
      assert.deepEqual(
        [readFileSync(at('a.txt'), 'utf8'), existsSync(at('c/d.txt')), existsSync(at('left'))],
        ['a\n', true, false],
      );
      assert.equal(statSync(at('a.txt')).mode & 0o111, 0);
    }
    const again = await harvestWork({ mirrorDir, workspaceDir, baseCommit: world.base, ref, op: 'op_3' });
    assert.ok(again.kind === 'committed' && again.commit === found.commit);
  });
});
