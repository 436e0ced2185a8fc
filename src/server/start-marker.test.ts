import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStartMarker } from './start-marker.ts';

async function withPath(body: (path: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-marker-'));
  try {
    await body(join(directory, 'starting.json'));
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('starts that were not ready are told to the next one with their phase, until one is ready', async () => {
  await withPath(async (path) => {
    const first = await openStartMarker(path);
    assert.deepEqual(first.aborted, []);
    await first.enter({ bootId: 'boot_1', phase: 'store', at: 1 });
    await first.enter({ bootId: 'boot_1', phase: 'queue', at: 2 });
    const second = await openStartMarker(path);
    await second.enter({ bootId: 'boot_2', phase: 'store', at: 3 });
    await second.note('the disk failed');
    const third = await openStartMarker(path);
    assert.deepEqual(third.aborted, [
      { bootId: 'boot_1', phase: 'queue', at: 2, error: null },
      { bootId: 'boot_2', phase: 'store', at: 3, error: 'the disk failed' },
    ]);
    await third.enter({ bootId: 'boot_3', phase: 'accept', at: 4 });
    await third.remove();
    assert.deepEqual((await openStartMarker(path)).aborted, []);
  });
});

test('at most ten are kept, and a marker that is no marker is one start of which nothing is known', async () => {
  await withPath(async (path) => {
    for (let n = 1; n <= 13; n++) {
      const marker = await openStartMarker(path);
      await marker.enter({ bootId: `boot_${n}`, phase: 'store', at: n });
    }
    const kept = (await openStartMarker(path)).aborted.map((one) => one.bootId);
    assert.equal(kept.length, 10);
    assert.equal(kept.at(-1), 'boot_13');
    for (const text of ['', '{"aborted":[{}],"current":null}', '{"aborted":[],"current":{"phase":1}}', '[]']) {
      await writeFile(path, text);
      const { aborted } = await openStartMarker(path);
      assert.equal(aborted.length, 1, text);
      assert.equal(aborted[0]?.phase, 'unknown');
    }
  });
});
