import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../kernel/clock.ts';
import { isError } from '../../kernel/errors.ts';
import { createKeyedMutex } from '../../kernel/keyed-mutex.ts';
import { sha256 } from '../../kernel/hash.ts';
import { homeLayout } from '../../lifecycle/home.ts';
import type { Job } from '../../lifecycle/job.ts';
import { accept, launchNext } from '../../store/conformance/fixtures.ts';
import { openSqliteStore } from '../../store/sqlite/sqlite-store.ts';
import type { Store } from '../../store/store.ts';
import type { BackupContext } from './collect.ts';
import { makeBackup } from './make-backup.ts';
import { readManifest } from './manifest.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const { signal } = new AbortController();

interface Small {
  root: string;
  ctx: BackupContext;
  store: Store;
  /** A held job with one file. */
  holdJob: (name: string) => Promise<Job>;
  make: (ctx: BackupContext) => ReturnType<typeof makeBackup>;
}

async function withHome(body: (small: Small) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-backup-'));
  const home = homeLayout(join(root, 'home'));
  await mkdir(home.jobs, { recursive: true });
  const store = openSqliteStore({ path: home.database });
  await store.start();
  const ctx: BackupContext = { store, home, clock: systemClock, log: silent, jobFiles: createKeyedMutex() };
  try {
    await store.addRepository({
      name: 'demo',
      source: '/nowhere',
      sourceKind: 'path',
      base: 'main',
      verify: [],
      merge: false,
      trusted: false,
      concurrency: 1,
      command: null,
    });
    const holdJob = async (name: string): Promise<Job> => {
      const { job } = await store.acceptJob({
        repository: 'demo',
        prompt: name,
        command: null,
        agent: 'exec',
        pipeline: 'implement',
        priority: 0,
        onInterrupt: 'continue',
        limits: { wallMs: 1, idleMs: 1, outputBytes: 1 },
        deadlineMs: null,
        start: false,
        principal: 'local',
        idempotency: null,
      });
      const file = { name: 'file', sha256: sha256(name), size: name.length, overwrite: false };
      await mkdir(join(home.staging(job.id), file.sha256), { recursive: true });
      await writeFile(join(home.staging(job.id), file.sha256, file.name), name);
      await store.recordJobFile({ jobId: job.id, ...file, perJob: 100, actor: 'local' });
      return job;
    };
    const make = async (from: BackupContext): ReturnType<typeof makeBackup> => {
      const { backup } = await store.intendBackup({ path: join(root, 'saved'), actor: 'local' });
      return makeBackup(from, { backup, version: '0', signal, progress: () => undefined });
    };
    await body({ root, ctx, store, holdJob, make });
  } finally {
    await store.stop();
    await rm(root, { recursive: true });
  }
}

/** The same store, and something that happens right after the first copy of it was taken. */
function afterCopy(ctx: BackupContext, act: () => Promise<void>): BackupContext {
  let isFirst = true;
  const copyDatabase: Store['copyDatabase'] = async (path, until) => {
    const copied = await ctx.store.copyDatabase(path, until);
    if (isFirst) await act();
    isFirst = false;
    return copied;
  };
  return { ...ctx, store: { ...ctx.store, copyDatabase } };
}

test('a job removed while it is made is not in it', () =>
  withHome(async ({ root, ctx, store, holdJob, make }) => {
    const [kept, gone] = [await holdJob('kept'), await holdJob('gone')];
    const remove = async (): Promise<void> => {
      await store.requestCancel(gone.id, 'local');
      await store.removeJob({ id: gone.id, actor: 'local' });
      await rm(ctx.home.job(gone.id), { recursive: true });
    };
    const made = await make(afterCopy(ctx, remove));
    assert.deepEqual([made.missing, made.damaged], [[], []]);
    const { manifest } = await readManifest(join(root, 'saved'));
    const paths = manifest.files.map(({ path }) => path);
    assert.ok(paths.some((path) => path.includes(kept.id)));
    assert.ok(!paths.some((path) => path.includes(gone.id)));
    assert.equal(manifest.jobs, 1);
  }));

test('evidence is in it, once for each file, and what is gone of it is named', () =>
  withHome(async ({ root, ctx, store, make }) => {
    const { id } = await accept(store, { repository: 'demo', pipeline: 'full' });
    const { job, attempt } = await launchNext(store);
    const owner = { fence: job.fence, actor: 'owner' };
    const [kept, gone] = ['kept', 'gone'].map((text) => ({ text, sha256: sha256(text) }));
    assert.ok(kept !== undefined && gone !== undefined);
    const evidence = [kept, kept, gone].map(
      (one, n) =>
        ({ sha256: one.sha256, kind: n === 0 ? 'tap' : 'output', name: 'test', bytes: 4, attempt: 1 }) as const,
    );
    await store.settleAttempt(
      { id: attempt.id, transition: 'finish', set: { exitCode: 1 }, ...owner },
      { id, transition: 'fail', set: { exitCode: 1 }, results: { gate: null, evidence }, ...owner },
    );
    await mkdir(ctx.home.evidence(id), { recursive: true });
    await writeFile(join(ctx.home.evidence(id), kept.sha256), kept.text);
    const made = await make(ctx);
    const { manifest } = await readManifest(join(root, 'saved'));
    const saved = manifest.files.filter(({ path }) => path.includes('/evidence/'));
    assert.deepEqual(
      saved.map((file) => [file.path, file.sha256]),
      [[`jobs/${id}/evidence/${kept.sha256}`, kept.sha256]],
    );
    assert.equal(made.missing.filter((one) => one.startsWith(`jobs/${id}/evidence/${gone.sha256}: `)).length, 1);
  }));

test('what the home itself does not have is named, and the rest is saved', () =>
  withHome(async ({ root, ctx, holdJob, make }) => {
    const job = await holdJob('lost');
    await rm(ctx.home.staging(job.id), { recursive: true });
    const made = await make(ctx);
    assert.equal(made.missing.length, 1);
    assert.match(made.missing[0] ?? '', /it is not in the home either/);
    assert.deepEqual((await readManifest(join(root, 'saved'))).manifest.missing, made.missing);
  }));

test('nothing is left of one that fails', () =>
  withHome(async ({ root, ctx, holdJob, make }) => {
    await holdJob('any');
    const taken = afterCopy(ctx, () => writeFile(join(root, 'saved'), 'mine'));
    await assert.rejects(make(taken), (error) => isError(error, 'already-exists'));
    assert.deepEqual((await readdir(root)).toSorted(), ['home', 'saved']);
  }));
