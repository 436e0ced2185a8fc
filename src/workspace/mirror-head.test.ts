/** Every bit of HEAD of a mirror, flipped: git works with it as before, or it is named and mended. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkMirrorObjects } from './check-objects.ts';
import { readMirrorBase } from './mirror-base.ts';
import { judgeMirrorHead, mendMirrorHead, mirrorHeadPath } from './mirror-head.ts';
import { updateMirror } from './mirror.ts';
import { makePlace, makeWorld, plainGit } from './repository.fixture.ts';

test('a damaged HEAD of a mirror is named, and mended from the registration', async () => {
  await using place = makePlace();
  const { mirrorDir, source, base } = await makeWorld(place);
  const path = mirrorHeadPath(mirrorDir);
  const whole = readFileSync(path);
  assert.equal(whole.toString(), 'ref: refs/heads/main\n');
  assert.equal(await judgeMirrorHead(mirrorDir, 'main'), null);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    writeFileSync(path, damaged);
    assert.match((await judgeMirrorHead(mirrorDir, 'main')) ?? '', /^HEAD says /, `bit ${bit}: ${damaged.toString()}`);
  }
  // Nothing but the file is needed to mend it: git refuses to work there.
  writeFileSync(path, 'qef: refs/heads/main\n');
  await assert.rejects(readMirrorBase({ mirrorDir, base: 'main' }));
  assert.match((await mendMirrorHead(mirrorDir, 'main')) ?? '', /^HEAD says "qef: refs/);
  assert.equal(await readMirrorBase({ mirrorDir, base: 'main' }), base);
  rmSync(path);
  assert.equal(await mendMirrorHead(mirrorDir, 'main'), 'HEAD is missing');
  assert.equal(await mendMirrorHead(mirrorDir, 'main'), null);
  assert.deepEqual(await checkMirrorObjects(mirrorDir), []);

  // One that names a branch that is there was right once: it follows the base without a word.
  plainGit(source, 'branch', 'next');
  const update = { mirrorDir, source, sourceKind: 'path', op: 'op_2' } as const;
  await updateMirror({ ...update, base: 'main' });
  assert.equal(await judgeMirrorHead(mirrorDir, 'next'), null);
  assert.equal(await mendMirrorHead(mirrorDir, 'next'), null);
  assert.equal(readFileSync(path, 'utf8'), 'ref: refs/heads/next\n');

  // A fetch mends it before it begins.
  writeFileSync(path, '\u0000');
  assert.equal((await updateMirror({ ...update, base: 'main' })).head, base);
  assert.deepEqual(readFileSync(path), whole);
  assert.equal(await mendMirrorHead(`${mirrorDir}.none`, 'main'), null);
});
