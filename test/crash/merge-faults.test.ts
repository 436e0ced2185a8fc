/** What can go wrong while work is merged, on real repositories: the base is moved once or not at all, and never back. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import type { GateView, PageView } from '../../src/api/contract.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { git } from '../support/repository.ts';
import { until } from '../support/poll.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const COMMIT = { commit: 'work' };
const RESTING = ['ready', 'completed', 'blocked', 'quarantined', 'failed', 'timed_out'];
const GATE = ['sh', '-c', 'test -e answer'];

let world: World;

function write(content: string): object {
  return { write: { path: 'answer', content } };
}

/** A person commits a file on the base branch. */
async function commitFile(source: string, name: string, content: string): Promise<string> {
  await writeFile(join(source, name), content);
  await git(source, 'add', name);
  await git(source, 'commit', '-q', '-m', `change ${name}`);
  return (await git(source, 'rev-parse', 'HEAD')).trim();
}

interface Play {
  name: string;
  settings?: object;
  scenario: { steps: object[]; tasks?: object };
  /** What a person does to the source before it is registered, and while the agent works. */
  first?: (source: string) => Promise<unknown>;
  meanwhile: (source: string) => Promise<unknown>;
}

/** Plays a job whose agent holds its work until a person has done something to the base. */
async function play({ name, settings, scenario, first, meanwhile }: Play): Promise<{ job: JobView; source: string }> {
  const source = await world.registerAnother(name, { verify: [GATE], merge: true, ...settings });
  await first?.(source);
  const go = join(world.witness, `${name}-go`);
  const begun = join(world.witness, `${name}-begun`);
  const wait = { tool: { argv: ['sh', '-c', `: > '${begun}'; until [ -e '${go}' ]; do sleep 0.05; done`] } };
  const prompt = JSON.stringify({ ...scenario, steps: [wait, ...scenario.steps] });
  const { id } = await world.submit({ repository: name, agent: 'scripted', pipeline: 'full', prompt });
  await until('the agent works', async () => (await readdir(world.witness)).includes(`${name}-begun`));
  await meanwhile(source);
  await writeFile(go, '');
  return { job: await world.awaitState(id, ...RESTING), source };
}

async function ledger(job: JobView): Promise<string[]> {
  const { items } = (await world.api('GET', `/v1/jobs/${job.id}/gates`)).body as PageView<GateView>;
  return items.map(({ stage, result }) => `${stage} ${result}`);
}

/** Moves of the base branch by us, newest first. */
async function mergesIn(source: string): Promise<string[]> {
  const reflog = await git(source, 'reflog', 'show', '--format=%H %gs', 'main');
  return reflog.split('\n').filter((line) => line.includes('holdfast: merge job'));
}

async function filesOf(source: string): Promise<string[]> {
  return (await git(source, 'ls-tree', '--name-only', 'main')).trim().split('\n');
}

describe('faults of a merge', { concurrency: 4, timeout: 240_000 }, () => {
  before(async () => {
    world = await World.create();
    await world.start();
  });
  after(() => world[Symbol.asyncDispose]());

  it('a base that was force-pushed does not get back what was dropped from it', async () => {
    let dropped = '';
    const { job, source } = await play({
      name: 'forced',
      scenario: { steps: [write('good'), COMMIT] },
      first: async (at) => (dropped = await commitFile(at, 'secret', 's')),
      meanwhile: async (at) => {
        await git(at, 'reset', '-q', '--hard', 'HEAD~1');
        await commitFile(at, 'later', 'l');
      },
    });
    assert.deepEqual([job.state, job.blocker], ['completed', null]);
    assert.deepEqual(await filesOf(source), ['answer', 'forced.md', 'later']);
    assert.equal((await mergesIn(source)).length, 1);
    await assert.rejects(git(source, 'merge-base', '--is-ancestor', dropped, 'main'));
    assert.equal((await git(source, 'status', '--porcelain')).trim(), '');
  });

  it('work that does not go with a base that was force-pushed waits for a person', async () => {
    const { job, source } = await play({
      name: 'clash',
      scenario: { steps: [write('mine'), COMMIT] },
      first: (at) => commitFile(at, 'secret', 's'),
      meanwhile: async (at) => {
        await git(at, 'reset', '-q', '--hard', 'HEAD~1');
        await commitFile(at, 'answer', 'theirs');
      },
    });
    assert.deepEqual(
      [job.state, job.reason, await ledger(job)],
      ['ready', 'merge_held', ['verify PASS', 'merge BLOCK']],
    );
    assert.match(job.blocker ?? '', /rewritten since the work began.*answer/);
    assert.deepEqual(await mergesIn(source), []);
    assert.equal(await readFile(join(source, 'answer'), 'utf8'), 'theirs');
  });

  it('what the base has become by itself is no merge', async () => {
    const { job, source } = await play({
      name: 'same',
      scenario: { steps: [write('good'), COMMIT] },
      meanwhile: (at) => commitFile(at, 'answer', 'good'),
    });
    assert.deepEqual(
      [job.state, job.reason, await ledger(job)],
      ['blocked', 'empty_merge', ['verify PASS', 'merge BLOCK']],
    );
    assert.deepEqual(await mergesIn(source), []);
  });

  it('work without a change is no merge', async () => {
    const steps = [write('good'), COMMIT, { tool: { argv: ['sh', '-c', 'git rm -q answer'] } }, COMMIT];
    const { job, source } = await play({ name: 'nothing', scenario: { steps }, meanwhile: () => Promise.resolve() });
    assert.deepEqual([job.state, job.reason, await ledger(job)], ['blocked', 'no_changes', []]);
    assert.deepEqual(await mergesIn(source), []);
  });

  it('a merge that fails its gates is final once its budget is spent; fixup reopens it with a new one', async () => {
    // Both sides pass by themselves, and do not go together.
    const verify = [['sh', '-c', 'test -e answer && { ! test -e other || grep -q both answer; }']];
    const { job, source } = await play({
      name: 'failing',
      settings: { verify },
      scenario: { steps: [write('good'), COMMIT], tasks: { fix: [[write('both'), COMMIT]] } },
      meanwhile: (at) => commitFile(at, 'other', 'o'),
    });
    assert.deepEqual([job.state, job.reason], ['blocked', 'merge_failed_final']);
    const failed = ['verify PASS', 'merge FAIL', 'merge FAIL', 'merge FAIL'];
    assert.deepEqual([await ledger(job), await mergesIn(source)], [failed, []]);
    assert.equal((await world.api('POST', `/v1/jobs/${job.id}/fixup`)).status, 200);
    const then = await world.awaitState(job.id, ...RESTING);
    assert.deepEqual([then.state, then.blocker], ['completed', null]);
    assert.deepEqual(await ledger(job), [...failed, 'verify PASS', 'merge PASS', 'merge PASS']);
    assert.deepEqual([(await mergesIn(source)).length, await filesOf(source)], [1, ['answer', 'failing.md', 'other']]);
    const timeline = await world.api('GET', `/v1/jobs/${job.id}/timeline?limit=200`);
    const { items } = timeline.body as PageView<{ kind: string; actor: string }>;
    const reopened = items.filter(({ kind }) => kind === 'job.fixup');
    assert.equal(reopened.length, 1);
    assert.notEqual(reopened[0]?.actor, 'attempts');
  });
});

test('three kills during one merge: merged once, and no strike', { timeout: 240_000 }, async () => {
  await using own = await World.create();
  world = own;
  await own.start({ failpoints: 'merge.before-advance:crash' });
  await own.register({ verify: [GATE], merge: true });
  const first = (await git(own.repository, 'rev-parse', 'main')).trim();
  const prompt = JSON.stringify({ steps: [write('good'), COMMIT] });
  const { id } = await own.submit({ prompt, agent: 'scripted', pipeline: 'full' });
  for (const next of ['merge.after-advance:crash', 'merge.before-record:crash', null]) {
    assert.equal((await own.awaitEnd()).signal, 'SIGKILL', await own.readLog());
    // A start may pass the point before it is ready.
    await own.start(next === null ? {} : { failpoints: next, waitReady: false });
  }
  const job = await own.awaitState(id, ...RESTING);
  assert.deepEqual([job.state, job.blocker], ['completed', null]);
  assert.deepEqual(await ledger(job), ['verify PASS', 'merge PASS']);
  const attempts = await own.getAttempts(id);
  assert.deepEqual(
    attempts.map(({ stage, state }) => [stage, state]),
    [
      ['implement', 'finished'],
      ['verify', 'finished'],
    ],
  );
  const reflog = (await git(own.repository, 'reflog', 'show', '--format=%H', 'main')).trim().split('\n');
  assert.deepEqual([reflog.length, reflog.at(-1)], [2, first]);
  assert.equal(await readFile(join(own.repository, 'answer'), 'utf8'), 'good');
  assert.equal((await git(own.repository, 'status', '--porcelain')).trim(), '');
  await checkInvariants(own);
  await own.kill();
  const store = openSqliteStore({ path: own.home.database });
  await store.start();
  const spent = (await store.getJob(id))?.step?.spent;
  await store.stop();
  assert.deepEqual([spent?.merges, spent?.fixRounds], [0, 0]);
});
