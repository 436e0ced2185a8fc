/**
 * Evidence of gates that were passed, changed on disk before what rests on it is done: nothing is handed off, pushed or
 * merged; job and evidence are set aside by name; a release passes every gate anew and ends well.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EvidenceView, GateView, PageView } from '../../src/api/contract.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const COMMIT = { commit: 'work' };
const WORK = [{ write: { path: 'answer', content: 'good' } }, COMMIT];
/** What it prints on the merged result is another piece of evidence. */
const GATE = ['sh', '-c', 'echo "$HOLDFAST_STAGE gate"; test -e answer'];
const OF_VERIFY = sha256('verify gate\n');
const OF_MERGE = sha256('merge gate\n');
const RESTING = ['ready', 'completed', 'blocked', 'quarantined', 'failed', 'timed_out'];

const HARM = {
  flip: (path: string): void => {
    const bytes = readFileSync(path);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  },
  cut: (path: string): void => truncateSync(path, 1),
  gone: (path: string): void => rmSync(path),
} as const;

/** A reviewer that passes what it is shown, once it may. */
function reviewer(...before: object[]): object {
  const review = [[...before, { verdict: {} }]];
  return { name: 'strict', agent: 'scripted', instructions: JSON.stringify({ steps: [], tasks: { review } }) };
}

function waitFor(path: string): object {
  return { tool: { argv: ['sh', '-c', `until [ -e '${path}' ]; do sleep 0.05; done`] } };
}

async function submit(world: World, ...before: object[]): Promise<JobView> {
  const prompt = JSON.stringify({ steps: [...before, ...WORK] });
  return world.submit({ prompt, agent: 'scripted', pipeline: 'full' });
}

async function listed<T>(world: World, id: string, what: 'gates' | 'evidence'): Promise<T[]> {
  return ((await world.api('GET', `/v1/jobs/${id}/${what}`)).body as PageView<T>).items;
}

/** Job and evidence are set aside, each by its name, with the reason and what to do. */
async function checkSetAside(world: World, id: string, hash: string): Promise<void> {
  const job = await world.awaitState(id, ...RESTING);
  assert.deepEqual(
    [job.state, job.reason, job.nextSafeAction],
    ['quarantined', 'record_corrupt', 'inspect_quarantine'],
    `${job.blocker ?? ''}\n${await world.readLog()}`,
  );
  assert.match(job.blocker ?? '', new RegExp(`evidence ${hash} (is|cannot)`));
  const { body } = await world.api('GET', '/v1/quarantine?limit=200');
  const { items } = body as {
    items: { id: string; kind: string; item: string; jobId: string | null; why: string; command: string | null }[];
  };
  const own = items.filter(({ jobId }) => jobId === id);
  assert.deepEqual(own.map(({ kind }) => kind).toSorted(), ['evidence', 'quarantined_job']);
  for (const { why, command } of own) assert.ok(why !== '' && command !== null);
  const evidence = own.find(({ kind }) => kind === 'evidence');
  assert.equal(evidence?.item, join('jobs', id, 'evidence', hash));
}

async function mirrorOf(world: World): Promise<string> {
  const { id } = (await world.api('GET', '/v1/repositories/demo')).body as { id: string };
  return world.home.mirror(id);
}

async function refsOf(repository: string, under: string): Promise<string[]> {
  const text = await git(repository, 'for-each-ref', '--format=%(objectname)', under);
  return text.split('\n').filter((line) => line !== '');
}

test(
  'evidence changed after the review and before the hand-off: nothing is handed off',
  { timeout: 240_000 },
  async () => {
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: 4 } });
    await world.start();
    const push = join(world.root, 'pushed.git');
    await git(world.root, 'init', '-q', '--bare', push);
    const go = join(world.witness, 'go');
    await world.register({ verify: [GATE], push, pipeline: { reviewers: [reviewer(waitFor(go))] } });
    const ways = [
      ['output', HARM.flip],
      ['verdict', HARM.cut],
      ['verdict', HARM.gone],
    ] as const;
    const jobs: { job: JobView; kind: string; harm: (path: string) => void; hash: string }[] = [];
    for (const [kind, harm] of ways) jobs.push({ job: await submit(world), kind, harm, hash: '' });
    for (const { job } of jobs) {
      await until('it is reviewed', async () =>
        (await world.getAttempts(job.id)).some(({ stage, state }) => stage === 'review' && state === 'running'),
      );
      assert.equal((await world.api('POST', `/v1/jobs/${job.number}/freeze`)).status, 200);
    }
    writeFileSync(go, '');
    for (const one of jobs) {
      const { job, kind, harm } = one;
      await until('the review is passed', async () => (await listed(world, job.id, 'gates')).length === 2);
      const { state, stage } = (await world.api('GET', `/v1/jobs/${job.id}`)).body as { state: string; stage: string };
      assert.deepEqual([state, stage], ['queued', 'handoff']);
      one.hash =
        (await listed<EvidenceView>(world, job.id, 'evidence')).find((piece) => piece.kind === kind)?.sha256 ?? '';
      harm(join(world.home.evidence(job.id), one.hash));
    }
    await world.kill();
    await world.start();
    const mirror = await mirrorOf(world);
    for (const { job, hash } of jobs) {
      assert.equal((await world.api('POST', `/v1/jobs/${job.number}/unfreeze`)).status, 200);
      await checkSetAside(world, job.id, hash);
      assert.deepEqual(await refsOf(mirror, `refs/holdfast/${job.id}/hand-off`), [], 'its branch is set');
      const kinds = (await listed<EvidenceView>(world, job.id, 'evidence')).map((piece) => piece.kind);
      assert.deepEqual(kinds, ['output', 'verdict'], 'a patch or a report of work that may not have passed');
    }
    assert.deepEqual(await refsOf(push, 'refs/heads/'), []);
    for (const { job } of jobs) {
      assert.equal((await world.api('POST', `/v1/quarantine/${job.id}/release`)).status, 200);
      const end = await world.awaitState(job.id, ...RESTING);
      assert.deepEqual([end.state, end.reason], ['ready', null], await world.readLog());
      const gates = await listed<GateView>(world, job.id, 'gates');
      assert.deepEqual(
        gates.map(({ stage, result, epoch }) => [stage, result, epoch - (gates[0]?.epoch ?? 0)]),
        [
          ['verify', 'PASS', 0],
          ['review', 'PASS', 0],
          ['verify', 'PASS', 1],
          ['review', 'PASS', 1],
        ],
      );
      assert.deepEqual(await refsOf(mirror, `refs/holdfast/${job.id}/hand-off`), [gates.at(-1)?.candidate]);
    }
    assert.equal((await refsOf(push, 'refs/heads/holdfast/')).length, jobs.length);
    await checkInvariants(world);
  },
);

interface Between {
  name: string;
  /** Last durable step before the server dies: the intent is recorded, the base is where it was. */
  point: string;
  /** Somebody commits on the base while the agent works, so that the merged result needs a proof of its own. */
  moved: boolean;
  harm: (path: string) => void;
  /** Which piece of evidence, of those that lie there. */
  find: (hashes: readonly string[]) => string | undefined;
}

const BETWEEN: readonly Between[] = [
  {
    name: 'of a gate',
    point: 'merge.after-record:crash',
    moved: false,
    harm: HARM.flip,
    find: (hashes) => hashes.find((hash) => hash === OF_VERIFY),
  },
  {
    name: 'of a reviewer',
    point: 'merge.after-record:crash',
    moved: false,
    harm: HARM.gone,
    find: (hashes) => hashes.find((hash) => hash !== OF_VERIFY),
  },
  {
    name: 'of a gate on the merged result',
    // The fourth end of an attempt, after those of the work, its gate and its review.
    point: 'attempt.after-settle:crash@4',
    moved: true,
    harm: HARM.cut,
    find: (hashes) => hashes.find((hash) => hash === OF_MERGE),
  },
];

/** The intent of the merge as the row has it, while no server serves. */
async function readIntent(world: World, id: string): Promise<{ from: string; to: string } | null> {
  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  const intent = (await store.getJob(id))?.step?.merge ?? null;
  await store.stop();
  return intent;
}

for (const { name, point, moved, harm, find } of BETWEEN) {
  test(`evidence ${name} changed between the two steps of a merge: the base stays`, { timeout: 240_000 }, async () => {
    await using world = await World.create();
    const source = world.repository;
    await world.start({ failpoints: point });
    await world.register({ verify: [GATE], merge: true, pipeline: { reviewers: [reviewer()] } });
    const [begun, go] = [join(world.witness, 'begun'), join(world.witness, 'go')];
    const { id } = await submit(world, { tool: { argv: ['sh', '-c', `: > '${begun}'`] } }, waitFor(go));
    await until('the agent works', () => readdirSync(world.witness).includes('begun'));
    if (moved) {
      writeFileSync(join(source, 'other'), 'o');
      await git(source, 'add', 'other');
      await git(source, 'commit', '-q', '-m', 'other');
    }
    writeFileSync(go, '');
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
    const base = (await git(source, 'rev-parse', 'main')).trim();
    const intent = await readIntent(world, id);
    assert.ok(intent !== null && intent.from === base && intent.to !== base, 'it did not die between the two steps');
    const hash = find(readdirSync(world.home.evidence(id))) ?? '';
    harm(join(world.home.evidence(id), hash));

    await world.start();
    await checkSetAside(world, id, hash);
    assert.equal((await git(source, 'rev-parse', 'main')).trim(), base);
    const merges = async (): Promise<string[]> =>
      (await git(source, 'reflog', 'show', '--format=%gs', 'main')).split('\n').filter((line) => /holdfast/.test(line));
    assert.deepEqual(await merges(), []);
    assert.equal((await git(source, 'status', '--porcelain')).trim(), '');

    assert.equal((await world.api('POST', `/v1/quarantine/${id}/release`)).status, 200);
    const end = await world.awaitState(id, ...RESTING);
    assert.deepEqual([end.state, end.reason], ['completed', null], await world.readLog());
    const gates = await listed<GateView>(world, id, 'gates');
    const last = gates.at(-1)?.epoch;
    const anew = gates.filter(({ epoch }) => epoch === last).map(({ stage, result }) => `${stage} ${result}`);
    const proof = moved ? ['merge PASS'] : [];
    assert.deepEqual(anew, ['verify PASS', 'review PASS', ...proof, 'merge PASS']);
    assert.equal((await merges()).length, 1);
    assert.equal((await git(source, 'status', '--porcelain')).trim(), '');
    await checkInvariants(world);
  });
}
