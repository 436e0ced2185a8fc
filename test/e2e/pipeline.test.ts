/** A job of the whole pipeline with real agents: implement, verify, fix, review, hand-off. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EvidenceView, GateView, PageView } from '../../src/api/contract.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import { git } from '../support/repository.ts';
import { World } from '../support/world.ts';

const COMMIT = { commit: 'work' };
/** Passes once the answer is good; like a test suite it leaves something behind, and it changes a file. */
const GATE = [
  'sh',
  '-c',
  'echo junk > report.txt; echo junk >> README.md; grep -q good answer || { echo "the answer is bad"; exit 1; }',
];
const GATE_NAME = GATE.join(' ').slice(0, 60);

function reviewer(name: string, verdicts: Record<string, unknown>[]): Record<string, unknown> {
  const rounds = verdicts.map((verdict) => [{ verdict }]);
  return { name, agent: 'scripted', instructions: JSON.stringify({ steps: [], tasks: { review: rounds } }) };
}

async function listed<T>(world: World, id: string, what: 'gates' | 'evidence'): Promise<T[]> {
  const { status, body } = await world.api('GET', `/v1/jobs/${id}/${what}`);
  assert.equal(status, 200);
  return (body as PageView<T>).items;
}

test('work that fails its gate is fixed, reviewed and handed off', async () => {
  await using world = await World.create();
  await world.start();
  await world.register({ verify: [GATE], pipeline: { reviewers: [reviewer('strict', [{ score: 80 }])] } });
  const scenario = {
    steps: [{ write: { path: 'answer', content: 'bad' } }, COMMIT],
    tasks: { fix: [[{ write: { path: 'answer', content: 'good' } }, COMMIT]] },
  };
  const job = await world.submit({ prompt: JSON.stringify(scenario), agent: 'scripted', pipeline: 'full' });
  const end = await world.awaitState(job.id, 'ready', 'blocked', 'failed');
  assert.deepEqual([end.state, end.blocker], ['ready', null]);
  const attempts = (await world.getAttempts(job.id)).map(({ stage, gate, task, exitCode }) => [
    stage,
    gate ?? task,
    exitCode,
  ]);
  assert.deepEqual(attempts, [
    ['implement', 'work', 0],
    ['verify', GATE_NAME, 1],
    ['fix', 'fix', 0],
    ['verify', GATE_NAME, 0],
    ['review', 'strict', 0],
  ]);
  const gates = await listed<GateView>(world, job.id, 'gates');
  assert.deepEqual(
    gates.map(({ epoch, stage, result }) => [epoch, stage, result]),
    [
      [2, 'verify', 'FAIL'],
      [3, 'verify', 'PASS'],
      [3, 'review', 'PASS'],
    ],
  );
  const evidence = await listed<EvidenceView>(world, job.id, 'evidence');
  assert.deepEqual(evidence.map(({ kind }) => kind).toSorted(), [
    'output',
    'output',
    'patch',
    'report',
    'report',
    'verdict',
  ]);
  const output = await world.api('GET', `/v1/jobs/${job.id}/evidence/${evidence[0]?.sha256}`);
  assert.equal(output.body, 'the answer is bad\n');
  assert.equal(sha256(output.body), evidence[0]?.sha256);
});

test('work that passes is merged: the base is advanced once, its clean checkout with it', async () => {
  await using world = await World.create();
  await world.start();
  await world.register({ verify: [GATE], merge: true });
  const before = (await git(world.repository, 'rev-parse', 'main')).trim();
  const scenario = { steps: [{ write: { path: 'answer', content: 'good' } }, COMMIT] };
  const job = await world.submit({ prompt: JSON.stringify(scenario), agent: 'scripted', pipeline: 'full' });
  const end = await world.awaitState(job.id, 'completed', 'ready', 'blocked', 'failed');
  assert.deepEqual([end.state, end.blocker], ['completed', null]);
  assert.equal(await readFile(join(world.repository, 'answer'), 'utf8'), 'good');
  assert.equal((await git(world.repository, 'status', '--porcelain')).trim(), '');
  const reflog = (await git(world.repository, 'reflog', 'show', '--format=%H', 'main')).trim().split('\n');
  assert.deepEqual([reflog.length, reflog.at(-1)], [2, before]);
});

test('a conflict with what the base has become is resolved by an agent once, and the result proved before it is merged', async () => {
  await using world = await World.create();
  await world.start();
  await world.register({ verify: [GATE], merge: true });
  const resolve = 'git fetch -q "$HOLDFAST_BASE_BUNDLE" refs/heads/main && git merge -q -X ours FETCH_HEAD';
  const scenario = {
    steps: [{ write: { path: 'answer', content: 'good' } }, COMMIT, { sleepMs: 1500 }],
    tasks: { resolve: [[{ tool: { argv: ['sh', '-c', resolve] } }]] },
  };
  const job = await world.submit({ prompt: JSON.stringify(scenario), agent: 'scripted', pipeline: 'full' });
  await world.awaitState(job.id, 'running');
  await writeFile(join(world.repository, 'answer'), 'another');
  await git(world.repository, 'add', 'answer');
  await git(world.repository, 'commit', '-q', '-m', 'another answer');
  const end = await world.awaitState(job.id, 'completed', 'ready', 'blocked', 'failed');
  assert.deepEqual([end.state, end.blocker], ['completed', null], await world.readLog());
  assert.equal(await readFile(join(world.repository, 'answer'), 'utf8'), 'good');
  const gates = await listed<GateView>(world, job.id, 'gates');
  assert.deepEqual(
    gates.map(({ stage, result }) => [stage, result]),
    [
      ['verify', 'PASS'],
      ['merge', 'FAIL'],
      ['verify', 'PASS'],
      ['merge', 'PASS'],
    ],
  );
});
