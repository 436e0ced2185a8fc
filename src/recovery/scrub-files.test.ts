/** What is kept of jobs beside their run directories: each is held against its hash, and nothing sound is blamed. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../kernel/hash.ts';
import { homeLayout } from '../lifecycle/home.ts';
import type { NewEvidence } from '../store/ledger-store.ts';
import { launchNext, newJob, newRepository } from '../store/conformance/fixtures.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import { makeRepository, plainGit } from '../workspace/repository.fixture.ts';
import { inspectKept, scrubMirrors } from './scrub-files.ts';
import type { ScrubPart } from './scrub.ts';

const SENT = 'what was sent\n';
const TOLD = '# What was said\n';
const PRINTED = 'ok 1 - it works\n';

const SIZES = { transcript: 9, upload: SENT.length, evidence: PRINTED.length } as const;

function evidence(kind: 'output' | 'tap'): NewEvidence {
  return { sha256: sha256(PRINTED), kind, name: 'test', bytes: PRINTED.length, attempt: 1 };
}

/** An ended job with a transcript, a file that was sent for it and a piece of evidence, all where they belong. */
async function openTrial() {
  const home = homeLayout(mkdtempSync(join(tmpdir(), 'holdfast-kept-')));
  const store = openSqliteStore({ path: home.database });
  await store.start();
  await store.addRepository(newRepository());
  const { job: held } = await store.acceptJob(newJob({ start: false, pipeline: 'full' }));
  const sent = { name: 'a.txt', sha256: sha256(SENT), size: SENT.length, overwrite: false, perJob: 1000 };
  await store.recordJobFile({ jobId: held.id, ...sent, actor: 'ann' });
  await store.moveJob({ id: held.id, transition: 'start', fence: null, actor: 'ann' });
  const { job: running, attempt } = await launchNext(store);
  const owner = { fence: running.fence, actor: 'owner' };
  const { job } = await store.settleAttempt(
    { id: attempt.id, transition: 'finish', set: { exitCode: 0 }, ...owner },
    {
      id: running.id,
      transition: 'complete',
      set: { exitCode: 0, transcriptSha256: sha256(TOLD) },
      results: { gate: null, evidence: [evidence('output'), evidence('tap')] },
      ...owner,
    },
  );
  const paths = {
    upload: join(home.staging(job.id), sha256(SENT), 'a.txt'),
    transcript: home.transcript(job.id),
    evidence: join(home.evidence(job.id), sha256(PRINTED)),
  };
  const write = (): void => {
    for (const [path, text] of [
      [paths.upload, SENT],
      [paths.transcript, TOLD],
      [paths.evidence, PRINTED],
    ] as const) {
      mkdirSync(dirname(path), { recursive: true });
      rmSync(path, { force: true });
      writeFileSync(path, text);
    }
  };
  write();
  return {
    store,
    home,
    paths,
    job,
    write,
    look: (hashUpTo = 1000) => inspectKept(store, { home, job, hashUpTo }),
    [Symbol.asyncDispose]: async () => {
      await store.stop();
      rmSync(home.root, { recursive: true, force: true });
    },
  };
}

test('a transcript, a file sent for a job or evidence that is not as recorded is named, and only that', async () => {
  await using trial = await openTrial();
  assert.deepEqual(await trial.look(), { checked: { transcript: 1, upload: 1, evidence: 1 }, found: [] });
  for (const kind of ['transcript', 'upload', 'evidence'] as const) {
    const path = trial.paths[kind];
    const damages: [() => void, RegExp][] = [
      [() => writeFileSync(path, 'W'.padEnd(SIZES[kind], '!')), /does not match the hash/],
      [() => rmSync(path), /it is missing/],
      [() => symlinkSync('/etc/hostname', path), /symbolic link/],
    ];
    if (kind !== 'transcript')
      damages.push([() => truncateSync(path, 3), new RegExp(`holds 3 bytes, ${SIZES[kind]} were recorded`)]);
    for (const [damage, why] of damages) {
      trial.write();
      if (why.source.includes('symbolic')) rmSync(path);
      damage();
      const { found } = await trial.look();
      assert.deepEqual(
        found.map((one) => [one.kind, one.path, one.jobId]),
        [[kind, path, trial.job.id]],
        why.source,
      );
      assert.match(found[0]?.why ?? '', why);
    }
    trial.write();
  }
});

test('of a long file only the length is held against what was recorded', async () => {
  await using trial = await openTrial();
  writeFileSync(trial.paths.upload, 'W'.padEnd(SENT.length, '!'));
  assert.equal((await trial.look(SENT.length - 1)).found.length, 0);
  assert.equal((await trial.look(SENT.length)).found.length, 1);
});

test('what a removal took away is not damage', async () => {
  await using trial = await openTrial();
  rmSync(trial.paths.upload);
  rmSync(trial.paths.evidence);
  await trial.store.removeJob({ id: trial.job.id, actor: 'ann' });
  assert.deepEqual((await trial.look()).found, []);
});

test('a damaged object of a mirror is named, and a mirror that is gone', async () => {
  await using trial = await openTrial();
  const { store, home } = trial;
  const { repository } = await store.addRepository(newRepository({ name: 'mirrored' }));
  await store.updateRepository('mirrored', { cloneState: 'ready' }, 'ann');
  const mirror = home.mirror(repository.id);
  const found: ScrubPart[] = [];
  const look = async (): Promise<string[]> => {
    found.length = 0;
    await scrubMirrors(store, home).run(async (part) => void found.push(part), new AbortController().signal);
    return found.flatMap((part) => part.found.map(({ kind, item, why }) => `${kind} ${item}: ${why}`));
  };
  assert.deepEqual(await look(), ['mirror mirrored: it is missing']);
  makeRepository(join(home.root, 'source'));
  plainGit(home.root, 'clone', '--quiet', '--mirror', 'source', mirror);
  assert.deepEqual([await look(), found[0]?.checked], [[], { mirror: 1 }]);
  const objects = join(mirror, 'objects');
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' });
  const path = join(objects, names.find((name) => /^[0-9a-f]{2}.[0-9a-f]{38}$|\.pack$/.test(name)) ?? '');
  chmodSync(path, 0o600);
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 4, bytes.length >> 1);
  writeFileSync(path, bytes);
  assert.match((await look()).join(), /^mirror mirrored: .*[0-9a-f]{40}/s);
});
