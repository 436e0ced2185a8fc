/** Commands of the model test: each does one thing to the store and to the model, and compares the answers. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isError } from '../../kernel/errors.ts';
import type { AttemptTransition, JobTransition } from '../../lifecycle/transitions.ts';
import type { Store } from '../store.ts';
import { newJob } from './fixtures.ts';
import type { ModelAttempt, ModelJob, StoreModel, Verdict } from './model.ts';

/** The store under test, its clock, and the way to crash it. */
export interface ModelWorld {
  store: Store;
  /** Sets the store's clock, milliseconds since 1970. */
  clock: { time: number };
  /** Leaves the files as a SIGKILL at this instant would, and opens what is left. */
  crash(): Promise<void>;
}

export type ModelCommand = fc.AsyncCommand<StoreModel, ModelWorld>;

/** Builds a command from its name for the printed path, and what it does. */
function command(
  name: string,
  run: (model: StoreModel, world: ModelWorld) => Promise<void>,
  check: (model: Readonly<StoreModel>) => boolean = () => true,
): ModelCommand {
  return { check, run, toString: () => name };
}

/** Carries out a call; returns `ok` or the code of its refusal. */
async function verdictOf(call: Promise<unknown>): Promise<Verdict> {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (isError(error)) return error.code;
    throw error;
  }
}

function pick<T>(list: T[], index: number): T {
  const item = list[index % list.length];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

const hasJobs = (model: Readonly<StoreModel>): boolean => model.jobs.length > 0;
const hasAttempts = (model: Readonly<StoreModel>): boolean => model.jobs.some((job) => job.attempts.length > 0);

function pickAttempt(model: StoreModel, index: number): { job: ModelJob; attempt: ModelAttempt } {
  return pick(
    model.jobs.flatMap((job) => job.attempts.map((attempt) => ({ job, attempt }))),
    index,
  );
}

type FenceChoice = 'own' | 'stale' | 'none';

function fenceOf(job: ModelJob, choice: FenceChoice): number | null {
  if (choice === 'none') return null;
  return choice === 'own' ? job.fence : job.fence - 1;
}

const OWNER = 'model';
const SET = { reason: 'needs_human', blocker: 'the model says so' } as const;
const MOVES: JobTransition[] = [
  'start',
  'requeue',
  'interrupt',
  'complete',
  'fail',
  'time_out',
  'cancel',
  'block',
  'quarantine',
  'retry',
];
const SETTLES: [AttemptTransition, JobTransition][] = [
  ['finish', 'complete'],
  ['finish', 'fail'],
  ['interrupt', 'interrupt'],
  ['seal', 'requeue'],
  ['quarantine', 'quarantine'],
  ['interrupt', 'block'],
];

function hashOf(key: string): string {
  return key.padEnd(64, '0');
}

async function accept(
  model: StoreModel,
  world: ModelWorld,
  input: { priority: number; start: boolean; key: string | null; comesAfter: number[] },
): Promise<void> {
  const { priority, start, key } = input;
  const after = model.jobs.length === 0 ? [] : input.comesAfter.map((at) => pick(model.jobs, at).id);
  const idempotency = key === null ? null : { key, requestSha256: hashOf(key) };
  const { job, replayed } = await world.store.acceptJob(newJob({ priority, start, idempotency, after }));
  const known = key === null ? undefined : model.keys.get(key);
  assert.equal(replayed, known !== undefined);
  if (known === undefined) model.accept(job.id, { ...input, after });
  else assert.equal(job.id, known);
}

/** Crashes while a request is on its way: it was kept whole, or not at all. */
async function crashInFlight(model: StoreModel, world: ModelWorld, key: string): Promise<void> {
  if (model.keys.has(key)) return;
  void world.store.acceptJob(newJob({ idempotency: { key, requestSha256: hashOf(key) } })).catch(() => null);
  await new Promise((resolve) => setImmediate(resolve));
  await world.crash();
  const [newest] = (await world.store.listJobs({ limit: 1 })).items;
  if (newest !== undefined && newest.number > model.jobs.length) {
    model.accept(newest.id, { priority: 0, start: true, key });
  }
  assert.equal(await world.store.getPrompt(newest?.promptSha256 ?? ''), newest === undefined ? null : 'add a test');
}

/** Arbitraries of every command. */
export function modelCommands(): fc.Arbitrary<ModelCommand>[] {
  const index = fc.nat({ max: 30 });
  const fence = fc.constantFrom<FenceChoice>('own', 'own', 'own', 'stale', 'none');
  const key = fc.constantFrom('k1', 'k2', 'k3', 'k4', 'k5', 'k6');
  return [
    fc
      .record({
        priority: fc.integer({ min: -1, max: 1 }),
        start: fc.boolean(),
        key: fc.option(key),
        comesAfter: fc.oneof(fc.constant<number[]>([]), fc.array(index, { minLength: 1, maxLength: 3 })),
      })
      .map((input) => command(`accept ${JSON.stringify(input)}`, (model, world) => accept(model, world, input))),
    fc.record({ max: fc.nat({ max: 3 }), hostLimit: fc.nat({ max: 4 }) }).map(({ max, hostLimit }) =>
      command(`claim ${max} within ${hostLimit}`, async (model, world) => {
        const claimed = await world.store.claimJobs({ boot: 'b', max, hostLimit });
        const expected = model.claim(max, hostLimit);
        assert.deepEqual(
          claimed.map(({ id, fence: by }) => [id, by]),
          expected.map(({ id, fence: by }) => [id, by]),
        );
      }),
    ),
    fc.record({ index, fence }).map((input) => intendCommand(input)),
    fc
      .record({
        index,
        fence,
        transition: fc.constantFrom<AttemptTransition>('attach', 'attach', 'finish', 'interrupt'),
      })
      .map((input) => attemptCommand(input)),
    fc.record({ index, fence, by: fc.constantFrom(...SETTLES) }).map((input) => settleCommand(input)),
    fc.record({ index, fence, transition: fc.constantFrom(...MOVES) }).map((input) => moveCommand(input)),
    index.map((at) =>
      command(
        `cancel ${at}`,
        async (model, world) => {
          const job = pick(model.jobs, at);
          assert.equal(await verdictOf(world.store.requestCancel(job.id, OWNER)), model.cancel(job));
        },
        hasJobs,
      ),
    ),
    fc.record({ index, frozen: fc.boolean() }).map(({ index: at, frozen }) =>
      command(
        `${frozen ? 'freeze' : 'unfreeze'} ${at}`,
        async (model, world) => {
          const job = pick(model.jobs, at);
          const verdict = await verdictOf(world.store.freezeJob({ id: job.id, frozen, actor: OWNER }));
          assert.equal(verdict, model.freeze(job, frozen));
        },
        hasJobs,
      ),
    ),
    fc.constantFrom(-365, -1, 1, 365).map((days) =>
      command(`clock ${days} days`, async (_model, world) => {
        world.clock.time += days * 86_400_000;
      }),
    ),
    fc.constant(command('crash', async (_model, world) => world.crash())),
    key.map((by) => command(`crash while accepting ${by}`, (model, world) => crashInFlight(model, world, by))),
  ];
}

function intendCommand({ index, fence }: { index: number; fence: FenceChoice }): ModelCommand {
  return command(
    `intend ${index} ${fence}`,
    async (model, world) => {
      const job = pick(model.jobs, index);
      const by = fenceOf(job, fence) ?? job.fence + 1;
      const expected = model.judgeIntend(job, by);
      const call = world.store.intendAttempt({ jobId: job.id, fence: by, mode: 'cold', sessionId: null, boot: 'b' });
      assert.equal(await verdictOf(call), expected);
      if (expected === 'ok') model.intend(job, by, (await call).attempt.id);
    },
    hasJobs,
  );
}

function attemptCommand(input: { index: number; fence: FenceChoice; transition: AttemptTransition }): ModelCommand {
  return command(
    `attempt ${input.index} ${input.transition} ${input.fence}`,
    async (model, world) => {
      const { job, attempt } = pickAttempt(model, input.index);
      const fence = fenceOf(job, input.fence) ?? attempt.fence;
      const { transition } = input;
      const call = world.store.moveAttempt({ id: attempt.id, transition, fence, actor: OWNER });
      assert.equal(await verdictOf(call), model.moveAttempt(job, attempt, { transition, fence }));
    },
    hasAttempts,
  );
}

function settleCommand(input: {
  index: number;
  fence: FenceChoice;
  by: [AttemptTransition, JobTransition];
}): ModelCommand {
  return command(
    `settle ${input.index} ${input.by.join('+')} ${input.fence}`,
    async (model, world) => {
      const { job, attempt } = pickAttempt(model, input.index);
      const fence = fenceOf(job, input.fence) ?? attempt.fence;
      const [first, second] = input.by;
      const call = world.store.settleAttempt(
        { id: attempt.id, transition: first, fence, actor: OWNER },
        { id: job.id, transition: second, fence, actor: OWNER, set: SET },
      );
      assert.equal(await verdictOf(call), model.settle(job, attempt, { attempt: first, job: second, fence }));
    },
    hasAttempts,
  );
}

function moveCommand(input: { index: number; fence: FenceChoice; transition: JobTransition }): ModelCommand {
  return command(
    `move ${input.index} ${input.transition} ${input.fence}`,
    async (model, world) => {
      const job = pick(model.jobs, input.index);
      const { transition } = input;
      const fence = fenceOf(job, input.fence);
      const call = world.store.moveJob({ id: job.id, transition, fence, actor: OWNER, set: SET });
      assert.equal(await verdictOf(call), model.move(job, transition, fence));
    },
    hasJobs,
  );
}
