/** The witness notices what SQLite does not: acknowledged writes that are gone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RecoveryReport } from '../../lifecycle/report.ts';
import type { Store } from '../store.ts';
import { accept, completeNext, newBoot, newRepository } from '../conformance/fixtures.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { makeScratch } from './harness.fixture.ts';
import { readWitness, witnessPath } from './witness.ts';

async function withOpen<T>(path: string, body: (store: Store) => Promise<T>): Promise<T> {
  const store = openSqliteStore({ path });
  await store.start();
  try {
    return await body(store);
  } finally {
    await store.stop();
  }
}

/** Returns a copy of the files as a crash would leave them: taken while the store is open and idle. */
async function crashedCopy(jobs: number): Promise<ReturnType<typeof makeScratch>> {
  using source = makeScratch();
  const copy = makeScratch();
  await withOpen(source.path, async (store) => {
    await store.addRepository(newRepository());
    for (let i = 0; i < jobs; i++) await accept(store, { prompt: `prompt ${i}` });
    for (const name of readdirSync(source.directory)) {
      if (!name.endsWith('-shm')) copyFileSync(join(source.directory, name), join(copy.directory, name));
    }
  });
  return copy;
}

function flipBit(path: string, offset: number): void {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ 4]), 0, 1, offset);
  closeSync(fd);
}

const REPORT = {
  bootId: 'boot_1',
  warnings: ['acknowledged writes are gone'],
  corruption: { alert: false },
} as unknown as RecoveryReport;

describe('witness', () => {
  it('holds the last acknowledged event and its hash', async () => {
    using scratch = makeScratch();
    await withOpen(scratch.path, async (store) => {
      await store.addRepository(newRepository());
      for (let i = 0; i < 5; i++) {
        await accept(store);
        const [event] = await store.listEvents({ after: (await store.getLastSeq()) - 1, limit: 1 });
        const [newest, older] = readWitness(witnessPath(scratch.path)) ?? [];
        assert.deepEqual(newest, { seq: event?.seq, hash: event?.hash });
        assert.equal(older?.seq, (event?.seq ?? 0) - 1, 'the other slot holds the one before');
      }
    });
  });

  it('is content after a crash that lost nothing', async () => {
    using copy = await crashedCopy(5);
    await withOpen(copy.path, async (store) => {
      assert.equal((await store.checkLive()).witness, null);
      assert.equal(await store.getLastSeq(), 6);
    });
  });

  it('tells of a flipped bit in the log, until a report of it is recorded', async () => {
    using copy = await crashedCopy(40);
    const log = `${copy.path}-wal`;
    flipBit(log, Math.floor(statSync(log).size / 2));
    const damaged = readFileSync(log);
    await withOpen(copy.path, async (store) => {
      const seq = await store.getLastSeq();
      assert.ok(seq < 41, `SQLite dropped acknowledged writes and said nothing (${seq})`);
      const { witness } = await store.checkLive();
      assert.match(witness ?? '', /event 41 was acknowledged, but the journal ends at/);
      assert.equal((await store.checkDeep()).witness, witness);
      await store.recordBoot(newBoot('boot_1'));
      for (let i = 0; i < 60; i++) await accept(store);
    });
    const kept = readdirSync(copy.directory).filter((name) => name.includes('.lost-'));
    assert.equal(kept.length, 1);
    assert.deepEqual(readFileSync(join(copy.directory, kept[0] ?? '')), damaged);
    await withOpen(copy.path, async (store) => {
      assert.match((await store.checkLive()).witness ?? '', /event 41 is not the one that was acknowledged/);
      await store.updateBoot('boot_1', { report: REPORT });
      await accept(store);
    });
    await withOpen(copy.path, async (store) => {
      assert.equal((await store.checkLive()).witness, null);
      const last = await store.getLastSeq();
      assert.equal(readWitness(witnessPath(copy.path))?.[0]?.seq, last);
    });
  });

  it('tells when it is missing, unreadable or damaged itself', async () => {
    using copy = await crashedCopy(3);
    const path = witnessPath(copy.path);
    const intact = readFileSync(path);
    rmSync(path);
    await withOpen(copy.path, async (store) => {
      assert.match((await store.checkLive()).witness ?? '', /missing beside 4 events/);
    });
    writeFileSync(path, Buffer.alloc(intact.length));
    await withOpen(copy.path, async (store) => {
      assert.match((await store.checkLive()).witness ?? '', /no slot of the witness is intact/);
    });
    writeFileSync(path, intact);
    await withOpen(copy.path, async (store) => assert.equal((await store.checkLive()).witness, null));
  });

  it('survives a torn write of one slot', async () => {
    using copy = await crashedCopy(6);
    const path = witnessPath(copy.path);
    for (const offset of [20, 4096 + 20]) {
      const intact = readFileSync(path);
      flipBit(path, offset);
      await withOpen(copy.path, async (store) => {
        assert.equal((await store.checkLive()).witness, null);
        await accept(store);
        assert.equal(readWitness(path)?.[0]?.seq, await store.getLastSeq());
      });
      assert.notDeepEqual(readFileSync(path), intact);
    }
  });

  it('knows that acknowledged events may have gone with a removed job, and only with it', async () => {
    using scratch = makeScratch();
    const witness = witnessPath(scratch.path);
    const removed = await withOpen(scratch.path, async (store) => {
      await store.addRepository(newRepository());
      const job = await accept(store);
      await completeNext(store);
      return job.id;
    });
    const before = readFileSync(witness);
    await withOpen(scratch.path, (store) => store.removeJob({ id: removed, actor: 'test' }));
    // As a crash leaves it that comes between the commit and the witness.
    writeFileSync(witness, before);
    await withOpen(scratch.path, async (store) => {
      assert.equal((await store.checkLive()).witness, null);
      assert.equal((await store.checkDeep()).witness, null);
    });
    writeFileSync(witness, before);
    const database = new DatabaseSync(scratch.path);
    database.exec('UPDATE tombstones SET first_seq = 0, last_seq = 0');
    database.close();
    await withOpen(scratch.path, async (store) => {
      assert.match((await store.checkLive()).witness ?? '', /is not the one that was acknowledged/);
    });
  });
});
