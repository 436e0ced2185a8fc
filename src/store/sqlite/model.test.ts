import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import type { ModelWorld } from '../conformance/model-commands.ts';
import { runStoreModel } from '../conformance/model-run.ts';
import { makeScratch } from './harness.fixture.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { witnessPath } from './witness.ts';

/**
 * Replay a failure with what it printed: HOLDFAST_SEED (seed), HOLDFAST_PATH (path) and HOLDFAST_REPLAY (replayPath) in the
 * environment of `node --test` on this file; HOLDFAST_RUNS sets the number of walks.
 */
const {
  HOLDFAST_SEED: seed,
  HOLDFAST_PATH: path,
  HOLDFAST_REPLAY: replayPath,
  HOLDFAST_RUNS: runs = '6',
} = process.env;

async function openWorld(): Promise<{ world: ModelWorld; close: () => Promise<void> }> {
  const scratch = makeScratch();
  const clock = { time: 1_800_000_000_000 };
  let database = scratch.path;
  let lives = 1;
  const open = async (): Promise<ModelWorld['store']> => {
    const opened = openSqliteStore({ path: database, clock: { now: () => clock.time, monotonic: () => 0 } });
    await opened.start();
    return opened;
  };
  const world: ModelWorld = {
    store: await open(),
    clock,
    crash: async () => {
      // What a SIGKILL leaves is what the files hold at one instant. The witness is taken first: copied later it could
      // know a commit the copied log does not hold. No checkpoint runs in so short a life, so the database is still.
      const directory = join(scratch.directory, `life-${++lives}`);
      mkdirSync(directory);
      const next = join(directory, 'holdfast.db');
      copyFileSync(witnessPath(database), witnessPath(next));
      copyFileSync(database, next);
      if (existsSync(`${database}-wal`)) copyFileSync(`${database}-wal`, `${next}-wal`);
      const old = world.store;
      database = next;
      world.store = await open();
      await old.stop();
    },
  };
  return {
    world,
    close: async () => {
      await world.store.stop();
      scratch[Symbol.dispose]();
    },
  };
}

it('behaves as its model on random walks with crashes and clock jumps', async () => {
  await runStoreModel({
    runs: Number(runs),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
    ...(replayPath === undefined ? {} : { replayPath }),
    open: openWorld,
  });
});
