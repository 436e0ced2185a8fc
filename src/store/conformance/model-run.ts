/** Runs random walks over a store and its model; a failure prints the seed and path that replay it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OUTCOME_OF } from './model-outcomes.ts';
import { newRepository } from './fixtures.ts';
import { modelCommands, type ModelWorld } from './model-commands.ts';
import { StoreModel } from './model.ts';

/** Everything the store shows must be what the model holds, and the journal must amount to it. */
async function compareWithModel(model: StoreModel, { store }: ModelWorld): Promise<void> {
  const jobs = (await store.listJobs({ limit: 200 })).items.toReversed();
  assert.deepEqual(
    jobs.map(
      ({
        id,
        number,
        state,
        frozen,
        priority,
        epoch,
        fence,
        queueSeq,
        awaits,
        attempts,
        outcome,
        cancelRequestedAt,
      }) => {
        return {
          id,
          number,
          state,
          frozen,
          priority,
          epoch,
          fence,
          queueSeq,
          awaits,
          attempts,
          outcome,
          cancelled: cancelRequestedAt !== null,
        };
      },
    ),
    model.jobs.map(
      ({ id, number, state, frozen, priority, epoch, fence, queueSeq, awaits, attempts, cancelRequested }) => {
        const outcome = OUTCOME_OF[state];
        return {
          id,
          number,
          state,
          frozen,
          priority,
          epoch,
          fence,
          queueSeq,
          awaits,
          attempts: attempts.length,
          outcome,
          cancelled: cancelRequested,
        };
      },
    ),
  );
  for (const job of model.jobs) {
    const attempts = await store.listAttempts(job.id);
    assert.deepEqual(
      attempts.map(({ id, state, fence, epoch }) => ({ id, state, fence, epoch })),
      job.attempts,
    );
  }
  assert.deepEqual(
    (await store.listQueue(200)).map(({ id }) => id),
    model.queue().map(({ id }) => id),
  );
  const counts = await store.countJobsByState();
  for (const [state, count] of Object.entries(counts)) {
    assert.equal(count, model.jobs.filter((job) => job.state === state).length, state);
  }
  const deep = await store.checkDeep();
  assert.deepEqual([deep.corrupt, deep.witness], [[], null]);
  assert.deepEqual((await store.checkLive()).corrupt, []);
}

export interface ModelRunOptions {
  runs: number;
  /** All three as a failure printed them replay one run. */
  seed?: number;
  path?: string;
  replayPath?: string;
  /** Makes a fresh world with an empty store, and a way to remove it. */
  open: () => Promise<{ world: ModelWorld; close: () => Promise<void> }>;
}

/** Runs the model test. */
export async function runStoreModel(options: ModelRunOptions): Promise<void> {
  const { runs, seed, path, replayPath } = options;
  const replayOnly = replayPath === undefined ? {} : { replayPath };
  const commands = fc.commands(modelCommands(), { size: '+1', maxCommands: 60, ...replayOnly });
  const property = fc.asyncProperty(commands, async (sequence) => {
    const { world, close } = await options.open();
    try {
      await world.store.addRepository(newRepository());
      const model = new StoreModel();
      await fc.asyncModelRun(() => ({ model, real: world }), sequence);
      await compareWithModel(model, world);
      await world.crash();
      await compareWithModel(model, world);
    } finally {
      await close();
    }
  });
  await fc.assert(property, {
    numRuns: runs,
    endOnFailure: false,
    verbose: 1,
    ...(seed === undefined ? {} : { seed }),
    ...(path === undefined ? {} : { path }),
  });
}
