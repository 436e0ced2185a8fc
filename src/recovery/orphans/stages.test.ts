/** What stages leave: evidence, homes and copies, each planted beside a look-alike, with a real store and real files. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { AttemptContext } from '../../attempts/context.ts';
import { readHostIdentity } from '../../keeper/host-identity.ts';
import { createKeyedMutex } from '../../kernel/keyed-mutex.ts';
import { sha256 } from '../../kernel/hash.ts';
import { homeLayout, type Home } from '../../lifecycle/home.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';
import { accept, launchNext, newBoot, newRepository } from '../../store/conformance/fixtures.ts';
import { makeScratch, startStore } from '../../store/sqlite/harness.fixture.ts';
import type { Store } from '../../store/store.ts';
import { createOrphanKeeper, type OrphanKeeper } from '../orphan-keeper.ts';
import type { ResourceKeeper } from '../resource-keeper.ts';

const KEPT = 'ok\n';
const HALF = 'never recorded\n';
const HOUR_AGO = Date.now() / 1000 - 3600;

interface Bench {
  store: Store;
  home: Home;
  /** Its one attempt failed its gate, which left evidence; the job has ended. */
  job: Job;
  keeper: OrphanKeeper;
  /** `kind name` → action, or `not ours`, of everything that is found below the directory of the job. */
  look: () => Promise<Record<string, string>>;
}

async function withJob(body: (bench: Bench) => Promise<void>): Promise<void> {
  using scratch = makeScratch();
  const home = homeLayout(scratch.directory);
  for (const folder of [home.jobs, home.repos, home.removals]) mkdirSync(folder);
  await using store = await startStore({ path: home.database });
  await store.addRepository(newRepository());
  await store.recordBoot(newBoot('boot_now'));
  const { id } = await accept(store, { pipeline: 'full' });
  const { job: running, attempt } = await launchNext(store);
  const owner = { fence: running.fence, actor: 'owner' };
  const evidence = [{ sha256: sha256(KEPT), kind: 'output', name: 'test', bytes: KEPT.length, attempt: 1 } as const];
  const { job } = await store.settleAttempt(
    { id: attempt.id, transition: 'finish', set: { exitCode: 1 }, ...owner },
    { id, transition: 'fail', set: { exitCode: 1 }, results: { gate: null, evidence }, ...owner },
  );
  write(join(home.evidence(id), sha256(KEPT)), KEPT);
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const fixed = { home, clock, log, identity: readHostIdentity(), boot: 'boot_now', host: 'host_here' };
  const ctx = { ...fixed, store, jobFiles: createKeyedMutex() } as unknown as AttemptContext;
  const keeper = createOrphanKeeper(ctx, {} as ResourceKeeper, new AbortController().signal);
  const look = async (): Promise<Record<string, string>> => {
    const { items } = await keeper.list(1000);
    return Object.fromEntries(items.flatMap((one) => (one.jobId === id ? [[nameOf(home, job, one), tell(one)]] : [])));
  };
  await body({ store, home, job, keeper, look });
}

function nameOf(home: Home, job: Job, { kind, path }: Orphan): string {
  return `${kind} ${path?.slice(home.job(job.id).length + 1) ?? ''}`;
}

function tell({ ours, action }: Orphan): string {
  return ours ? action : 'not ours';
}

/** Writes a file an hour ago. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  utimesSync(path, HOUR_AGO, HOUR_AGO);
}

test('evidence without a row is ours where it is what its name says; other things there are only reported', () =>
  withJob(async ({ home, job, keeper, look }) => {
    assert.deepEqual(await look(), {}, 'what the ledger names belongs there');
    const directory = home.evidence(job.id);
    const [half, false_] = [sha256(HALF), sha256('another')];
    write(join(directory, half), HALF);
    write(join(directory, false_), HALF);
    write(join(directory, 'notes'), 'mine');
    writeFileSync(join(directory, sha256('fresh')), 'fresh');
    symlinkSync('/etc/hostname', join(directory, sha256('link')));
    assert.deepEqual(await look(), {
      [`evidence evidence/${half}`]: 'remove',
      [`evidence evidence/${false_}`]: 'not ours',
      'evidence evidence/notes': 'not ours',
    });
    const { items } = await keeper.list(1000);
    const ids = items.map(({ id }) => id);
    const outcomes = await keeper.repair({ ids, dryRun: false, actor: 'ann' });
    assert.deepEqual(outcomes.map(({ outcome }) => outcome).toSorted(), ['done', 'refused', 'refused']);
    assert.deepEqual([existsSync(join(directory, half)), existsSync(join(directory, sha256(KEPT)))], [false, true]);
  }));

test('evidence of a job that can go on is left: it may be recorded yet', () =>
  withJob(async ({ store, home, job, keeper, look }) => {
    const name = `evidence evidence/${sha256(HALF)}`;
    write(join(home.evidence(job.id), sha256(HALF)), HALF);
    const before = (await keeper.list(1000)).items.map(({ id }) => id);
    await store.moveJob({ id: job.id, transition: 'retry', fence: null, actor: 'ann' });
    assert.deepEqual(await look(), { [name]: 'none' });
    const [outcome] = await keeper.repair({ ids: before, dryRun: false, actor: 'ann' });
    assert.equal(outcome?.outcome, 'refused');
    await store.claimJobs({ boot: 'boot_now', hostLimit: 9, max: 1 });
    assert.deepEqual(await look(), {}, 'and while it works nothing there is anybody else’s');
  }));

test('a row whose file is gone, cut or no file is named, and nothing is done about it', () =>
  withJob(async ({ home, job, keeper, look }) => {
    const path = join(home.evidence(job.id), sha256(KEPT));
    const damages: [() => void, RegExp][] = [
      [() => write(path, 'o'), /holds 1 bytes instead of 3/],
      [() => symlinkSync('/etc/hostname', path), /is no file/],
      [() => undefined, /is gone/],
    ];
    for (const [damage, how] of damages) {
      rmSync(path, { force: true });
      damage();
      assert.deepEqual(await look(), { [`missing-evidence evidence/${sha256(KEPT)}`]: 'none' });
      assert.match((await keeper.list(1)).items[0]?.note ?? '', how);
    }
    rmSync(home.evidence(job.id), { recursive: true });
    assert.deepEqual(Object.values(await look()), ['none'], 'also where nothing is left of the directory');
  }));

test('homes and copies of a job that has ended go with the next start, those of one that goes on and strangers stay', () =>
  withJob(async ({ store, home, job, keeper, look }) => {
    for (const path of [home.stageHome(job.id, 1), home.stageCopy(job.id, 1), `${home.stageCopy(job.id, 2)}.op.1`])
      write(join(path, 'file'), 'x');
    write(join(home.stageHomes(job.id), 'mine', 'file'), 'x');
    write(home.stageHome(job.id, 7), 'no directory');
    write(join(home.job(job.id), 'notes'), 'mine');
    const strangers = {
      'stage-home homes/7': 'not ours',
      'stage-home homes/mine': 'not ours',
      'unknown-entry notes': 'not ours',
    };
    assert.deepEqual(await look(), {
      'stage-home homes/1': 'remove',
      'stage-copy copies/1': 'remove',
      'stage-copy copies/2.op.1': 'remove',
      ...strangers,
    });
    await store.moveJob({ id: job.id, transition: 'retry', fence: null, actor: 'ann' });
    await keeper.settle(100);
    assert.deepEqual(await look(), strangers);
    assert.ok(existsSync(home.stageCopy(job.id, 1)), 'a job that goes on may need them');
    await store.requestCancel(job.id, 'ann');
    await keeper.settle(100);
    assert.deepEqual(await look(), strangers);
    assert.deepEqual(
      [home.stageHome(job.id, 1), home.stageCopy(job.id, 1), home.stageHome(job.id, 7)].map((path) => existsSync(path)),
      [false, false, true],
    );
  }));
