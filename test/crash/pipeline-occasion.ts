/** A job of the whole pipeline, with a server that dies somewhere on its way. What its gate saw is witnessed outside the home. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvidenceView, GateView, PageView } from '../../src/api/contract.ts';
import { sha256 } from '../../src/kernel/hash.ts';
import { until } from '../support/poll.ts';
import { createRepository, git } from '../support/repository.ts';
import type { JobView, World } from '../support/world.ts';

const KEY = 'pipeline';
const COMMIT = { commit: 'work' };

/** The first work fails its gate; the fix passes it. Each start of an agent or gate leaves a line with its attempt. */
function scenario(world: World): string {
  const testify = {
    tool: { argv: ['sh', '-c', `echo "$HOLDFAST_ATTEMPT $HOLDFAST_STAGE" >> '${join(world.witness, 'stages')}'`] },
  };
  const write = (content: string): object => ({ write: { path: 'answer', content } });
  return JSON.stringify({
    steps: [testify, write('bad'), COMMIT],
    tasks: { fix: [[testify, write('good'), COMMIT]] },
  });
}

/** Registers a repository with a gate and submits the job; repeating it finds what the first time made. */
export async function submitPipeline(world: World, merge = false): Promise<JobView> {
  // Like a test suite it leaves something behind, which is undone.
  const script = `echo "$HOLDFAST_ATTEMPT $HOLDFAST_STAGE" >> '${join(world.witness, 'stages')}'; : > litter; grep -q good answer`;
  const call = (path: string, body: object): ReturnType<World['call']> =>
    world.call({ method: 'POST', path, body, headers: { 'idempotency-key': KEY } });
  const source = await createTarget(world);
  const verify = [['sh', '-c', script]];
  const push = merge ? null : await createPushTarget(world);
  const registered = await call('/v1/repositories', { name: 'gated', source, verify, merge, push });
  assert.ok(registered.status === 201, JSON.stringify(registered.body));
  const prompt = scenario(world);
  const { status, body } = await call('/v1/jobs', { repository: 'gated', prompt, agent: 'scripted', pipeline: 'full' });
  assert.equal(status, 201, JSON.stringify(body));
  return body as JobView;
}

/** Wherever the server died: each attempt ran once, the ledger tells each gate once, and what is handed off is the fix. */
export async function checkPipeline(world: World, merge = false): Promise<void> {
  const job = await submitPipeline(world, merge);
  await world.awaitState(job.id, merge ? 'completed' : 'ready');
  const lines = (await readFile(join(world.witness, 'stages'), 'utf8')).trim().split('\n');
  assert.equal(new Set(lines).size, lines.length, `an attempt started twice: ${lines.join(', ')}`);
  const attempts = await world.getAttempts(job.id);
  const finished = attempts.filter(({ state }) => state === 'finished').map(({ stage }) => stage);
  assert.deepEqual(finished, ['implement', 'verify', 'fix', 'verify'], await world.readLog());
  const items = async <T>(what: string): Promise<T[]> =>
    ((await world.api('GET', `/v1/jobs/${job.id}/${what}`)).body as PageView<T>).items;
  const gates = await items<GateView>('gates');
  assert.deepEqual(
    gates.map(({ epoch, stage, result }) => [epoch, stage, result]),
    [[2, 'verify', 'FAIL'], [3, 'verify', 'PASS'], ...(merge ? [[3, 'merge', 'PASS']] : [])],
  );
  for (const { sha256: hash } of await items<EvidenceView>('evidence')) {
    assert.equal(sha256(await readFile(join(world.home.evidence(job.id), hash))), hash);
  }
  if (merge) await checkMerged(world, gates.at(-1)?.candidate);
  else await checkHandedOff(world, { job, candidate: gates.at(-1)?.candidate });
  for (const left of [world.home.stageHomes(job.id), world.home.stageCopies(job.id)]) {
    await until(`${left} is gone`, async () => !existsSync(left) || readdirSync(left).length === 0);
  }
  assert.equal((await world.api('DELETE', `/v1/jobs/${job.id}`)).status, 204);
  assert.equal((await world.api('DELETE', '/v1/repositories/gated')).status, 204);
}

/** A repository of its own, with one commit: a merge moves its branch. */
async function createTarget(world: World): Promise<string> {
  const path = join(world.root, 'target');
  if (!existsSync(path)) await createRepository(path, { 'README.md': '# target\n' });
  return path;
}

/** A bare repository that a hand-off is pushed to. */
async function createPushTarget(world: World): Promise<string> {
  const path = join(world.root, 'pushed.git');
  if (!existsSync(path)) await git(world.root, 'init', '-q', '--bare', path);
  return path;
}

/** The branch was moved once, and its checkout with it. */
async function checkMerged(world: World, candidate: string | undefined): Promise<void> {
  const target = join(world.root, 'target');
  const reflog = (await git(target, 'reflog', 'show', '--format=%H', 'main')).trim().split('\n');
  assert.deepEqual([reflog.length, reflog[0]], [2, candidate], await world.readLog());
  assert.equal((await git(target, 'status', '--porcelain')).trim(), '');
  assert.equal(await readFile(join(target, 'answer'), 'utf8'), 'good');
}

async function checkHandedOff(
  world: World,
  { job, candidate }: { job: JobView; candidate: string | undefined },
): Promise<void> {
  const repository = (await world.api('GET', '/v1/repositories/gated')).body as { id: string };
  const mirror = world.home.mirror(repository.id);
  const handedOff = await git(mirror, 'rev-parse', `refs/holdfast/${job.id}/hand-off`);
  assert.equal(handedOff.trim(), candidate);
  assert.equal(await git(mirror, 'show', `${handedOff.trim()}:answer`), 'good');
  const pushed = join(world.root, 'pushed.git');
  const branches = (await git(pushed, 'for-each-ref', '--format=%(objectname) %(refname)')).trim();
  assert.equal(branches, `${candidate} refs/heads/holdfast/${job.number}-work`);
  const moves = await git(pushed, 'reflog', 'show', '--format=%H', `holdfast/${job.number}-work`);
  assert.equal(moves.trim(), candidate, 'it was pushed once');
}
