/**
 * Jobs of the pipeline in a home that was made from a backup: what was handed off can be taken up there, what their gates
 * found reads back, and what was on its way goes on from the work that was taken, not from an older one.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EvidenceView, GateView, PageView } from '../../src/api/contract.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import { run } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { backUp, restore } from './restored-home.ts';

const RESTING = ['ready', 'completed', 'blocked', 'quarantined', 'failed', 'timed_out'];
const COMMIT = { commit: 'work' };
/** What it prints is told to the agent that fixes. */
const GATE = ['sh', '-c', 'echo "the answer is $(cat answer)"; grep -q good answer'];

const write = (content: string): object => ({ write: { path: 'answer', content } });

function waitFor(path: string): object {
  return { tool: { argv: ['sh', '-c', `until [ -e '${path}' ]; do sleep 0.05; done`] } };
}

/** The first work fails its gate, the second passes it; `fix` is what is done in between. */
async function submit(world: World, ...fix: object[]): Promise<JobView> {
  const scenario = { steps: [write('bad'), { commit: 'first' }], tasks: { fix: [[...fix, write('good'), COMMIT]] } };
  return world.submit({ prompt: JSON.stringify(scenario), agent: 'scripted', pipeline: 'full' });
}

async function listed<T>(world: World, id: string, what: 'gates' | 'evidence'): Promise<T[]> {
  const { status, body } = await world.api('GET', `/v1/jobs/${id}/${what}`);
  assert.equal(status, 200);
  return (body as PageView<T>).items;
}

async function ledger(world: World, job: JobView): Promise<string[]> {
  return (await listed<GateView>(world, job.id, 'gates')).map(({ stage, result }) => `${stage} ${result}`);
}

/** Everything the ledger says of a job, and the bytes it rests on. */
async function readLedger(world: World, { id }: JobView): Promise<unknown> {
  const evidence = await listed<EvidenceView>(world, id, 'evidence');
  const bytes: string[] = [];
  for (const { sha256: hash } of evidence) {
    const { status } = await world.api('GET', `/v1/jobs/${id}/evidence/${hash}`);
    assert.equal(status, 200);
    const file = readFileSync(join(world.home.evidence(id), hash));
    assert.equal(sha256(file), hash);
    bytes.push(file.toString('base64'));
  }
  return { gates: await listed<GateView>(world, id, 'gates'), evidence, bytes };
}

async function atWork(world: World, job: JobView, stage: string): Promise<void> {
  await until(`job ${job.number} is in ${stage}`, async () =>
    (await world.getAttempts(job.id)).some((one) => one.stage === stage && one.state === 'running'),
  );
}

interface Saved extends AsyncDisposable {
  world: World;
  path: string;
  go: string;
  handedOff: JobView;
  reviewed: JobView;
  mended: JobView;
  fixed: JobView;
}

/**
 * A home with one job that is handed off, one whose gate is passed and whose reviewer works, one that waits for its gate with
 * what mended it, and one that is being fixed.
 */
async function makeSaved(): Promise<Saved> {
  const world = await World.create();
  await world.configure({ limits: { agentsPerHost: 4 } });
  await world.start();
  const go = join(world.witness, 'go');
  writeFileSync(go, '');
  const instructions = JSON.stringify({ steps: [], tasks: { review: [[waitFor(go), { verdict: {} }]] } });
  const reviewers = [{ name: 'strict', agent: 'scripted', instructions }];
  await world.register({ verify: [GATE], pipeline: { reviewers } });
  const handedOff = await submit(world);
  assert.equal((await world.awaitState(handedOff.id, ...RESTING)).state, 'ready', await world.readLog());
  rmSync(go);
  const reviewed = await submit(world);
  await atWork(world, reviewed, 'review');
  const mended = await submit(world, waitFor(join(world.witness, 'mend')));
  await atWork(world, mended, 'fix');
  assert.equal((await world.api('POST', `/v1/jobs/${mended.id}/freeze`)).status, 200);
  writeFileSync(join(world.witness, 'mend'), '');
  await world.awaitState(mended.id, 'queued');
  const fixed = await submit(world, { append: { path: 'half', content: 'x' } }, waitFor(go));
  await atWork(world, fixed, 'fix');
  await until('it has begun', () =>
    readFile(join(world.home.workspace(fixed.id), 'half'), 'utf8').then(
      (text) => text === 'x',
      () => false,
    ),
  );
  const path = join(world.root, 'saved');
  assert.equal((await backUp(world, path)).state, 'made');
  const dispose = (): Promise<void> => world[Symbol.asyncDispose]();
  return { world, path, go, handedOff, reviewed, mended, fixed, [Symbol.asyncDispose]: dispose };
}

/** What was handed off is found as it was, by everything that hands it out. */
async function checkHandedOff(other: World, { world, handedOff: { number } }: Saved): Promise<void> {
  const shown = await run(other, ['show', String(number)]);
  assert.match(shown.stdout, /ready[^]*PASS/, shown.stderr);
  const diff = await run(other, ['diff', String(number)]);
  assert.match(diff.stdout, /^\+good$/m, 'the diff is of an older work');
  const made = await run(other, ['checkout', String(number), join(other.root, 'taken')]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(await readFile(join(other.root, 'taken', 'answer'), 'utf8'), 'good');
  assert.equal(await git(join(other.root, 'taken'), 'log', '-2', '--format=%s'), 'work\nfirst\n');
  const applied = await run(other, ['apply', String(number)], { cwd: world.repository });
  assert.deepEqual([applied.code, applied.stdout], [0, 'A answer\n'], applied.stderr);
}

test(
  'evidence and work of pipelines come back with a backup, and what was under way goes on',
  { timeout: 240_000 },
  async () => {
    await using saved = await makeSaved();
    const { world, path, go, handedOff, reviewed, mended, fixed } = saved;
    await world.kill();
    await using other = await World.create();
    const { code, stderr } = await restore(other, path, { home: other.home.root });
    assert.equal(code, 0, stderr);
    // The first home stays as it was: what its ledger says is compared with what the copy says.
    await world.start();
    await other.configure({ limits: { agentsPerHost: 4 } });
    await other.start();
    for (const job of [handedOff, reviewed, mended, fixed]) {
      assert.deepEqual(await readLedger(other, job), await readLedger(world, job), `job ${job.number}`);
    }
    await world.kill();
    await checkHandedOff(other, saved);
    for (const job of [reviewed, mended, fixed]) {
      const { state, reason } = await other.getJob(job.id);
      assert.deepEqual([state, reason], ['blocked', 'restored']);
    }
    assert.deepEqual(await ledger(other, reviewed), ['verify FAIL', 'verify PASS']);
    for (const job of [mended, fixed]) assert.deepEqual(await ledger(other, job), ['verify FAIL']);
    const corruption = await until('history is checked', async () => {
      const found = (await other.readReport()).corruption;
      return found.complete ? found : null;
    });
    assert.deepEqual([corruption.kinds?.['evidence']?.corrupt, corruption.files], [0, []]);

    // A retry opens an epoch: what was passed before reads back and is passed anew, by the work it was about.
    writeFileSync(go, '');
    assert.equal((await other.api('POST', `/v1/jobs/${reviewed.id}/retry`)).status, 200);
    const passed = await other.awaitState(reviewed.id, ...RESTING);
    assert.deepEqual([passed.state, passed.blocker], ['ready', null], await other.readLog());
    assert.deepEqual(await ledger(other, reviewed), ['verify FAIL', 'verify PASS', 'verify PASS', 'review PASS']);
    const candidates = (await listed<GateView>(other, reviewed.id, 'gates')).map(({ candidate }) => candidate);
    assert.equal(new Set(candidates.slice(1)).size, 1, 'other work was passed than before');

    // Its gate is about what mended it, and runs in that.
    assert.equal((await other.api('POST', `/v1/jobs/${mended.id}/unfreeze`)).status, 200);
    assert.equal((await other.api('POST', `/v1/jobs/${mended.id}/retry`)).status, 200);
    const first = await other.awaitState(mended.id, ...RESTING);
    assert.deepEqual([first.state, first.blocker], ['ready', null], await other.readLog());
    assert.deepEqual(await ledger(other, mended), ['verify FAIL', 'verify PASS', 'review PASS']);

    // The one that was being fixed goes on in what it had done: its agent cannot be asked without the evidence of the gate.
    const [why] = await listed<EvidenceView>(other, fixed.id, 'evidence');
    const told = await other.api('GET', `/v1/jobs/${fixed.id}/evidence/${why?.sha256 ?? ''}`);
    assert.equal(told.body, 'the answer is bad\n');
    assert.equal((await other.api('POST', `/v1/jobs/${fixed.id}/retry`)).status, 200);
    const last = await other.awaitState(fixed.id, ...RESTING);
    assert.deepEqual([last.state, last.blocker], ['ready', null], await other.readLog());
    const attempts = await other.getAttempts(fixed.id);
    assert.deepEqual(
      attempts.map(({ stage, state }) => `${stage} ${state}`),
      [
        'implement finished',
        'verify finished',
        'fix interrupted',
        'fix finished',
        'verify finished',
        'review finished',
      ],
    );
    const repository = (await other.api('GET', '/v1/repositories/demo')).body as { id: string };
    const half = `refs/holdfast/${fixed.id}/hand-off:half`;
    assert.equal(await git(other.home.mirror(repository.id), 'show', half), 'xx');
    await checkInvariants(other);
  },
);
