import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { readHostFile, settleHost, writeFreshHost } from './host-file.ts';

async function withPath(body: (path: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-host-'));
  try {
    await body(join(directory, 'host'));
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('the id is made once, and no flipped bit of its file changes it unnoticed', async () => {
  await withPath(async (path) => {
    const { id } = await settleHost(path, { lastKnown: null, now: 1 });
    assert.deepEqual(await settleHost(path, { lastKnown: null, now: 2 }), { id, damage: null });
    const whole = await readFile(path);
    for (let bit = 0; bit < (whole.length - 1) * 8; bit++) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await writeFile(path, flipped);
      const settled = await settleHost(path, { lastKnown: id, now: 3 });
      assert.equal(settled.id, id, `bit ${bit}`);
      assert.equal((await readHostFile(path)).kind, 'sealed');
    }
    await writeFile(path, 'nothing');
    await assert.rejects(settleHost(path, { lastKnown: null, now: 4 }), (error) => isError(error, 'home-unusable'));
  });
});

test('a file of an older version is sealed; a fresh id is another one', async () => {
  await withPath(async (path) => {
    const { id } = await settleHost(path, { lastKnown: null, now: 1 });
    await writeFile(path, `${id}\n`);
    assert.deepEqual(await settleHost(path, { lastKnown: id, now: 2 }), { id, damage: null });
    assert.notEqual(await writeFreshHost(path, 5), id);
    assert.notEqual((await settleHost(path, { lastKnown: id, now: 6 })).id, id, 'written on purpose');
  });
});
