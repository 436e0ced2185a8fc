/**
 * This project's own repository, cloned, with a part of its own test suite as the gate: a packet whose agent first breaks a
 * test and then mends it ends merged on the base branch, advanced once, also where the server is killed three times on the
 * way. `HOLDFAST_SEED` repeats the moments of the kills.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { GateView, PageView } from '../../src/api/contract.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { createRandom } from './lab/random.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const skip = existsSync(join(ROOT, '.git')) ? false : `${ROOT} is no git repository: there is nothing to clone`;
const TESTS = ['size', 'duration', 'hash'].map((name) => `src/kernel/${name}.test.ts`);
const BROKEN = 'src/kernel/size.ts';
const NOTE = 'docs/mended.md';
const KILLS = 3;
/** Longest pause between the event that was waited for and the kill, milliseconds. */
const MAX_PAUSE_MS = 400;
const RESTING = ['ready', 'completed', 'blocked', 'quarantined', 'failed', 'timed_out'];

/** What the gate runs: installed packages are linked, as an operator would have it, and real tests are run. */
function gate(): string[] {
  const link = `[ -e node_modules ] || ln -s '${join(ROOT, 'node_modules')}' node_modules`;
  return ['sh', '-ec', `${link}; exec '${process.execPath}' --test ${TESTS.join(' ')}`];
}

async function cloneProject(world: World): Promise<string> {
  const path = join(world.root, 'project');
  const trusting = ['-c', 'safe.directory=*', '-c', 'protocol.file.allow=always'];
  await git(world.root, ...trusting, 'clone', '-q', '--no-hardlinks', '--', ROOT, path);
  await git(path, 'switch', '-q', '-C', 'main');
  return path;
}

/** A packet as a person writes it; the scenario is what the scripted agent makes of it. */
function packet(world: World): object {
  const shell = (script: string): object => ({ tool: { argv: ['sh', '-ec', script] } });
  const testify = shell(`echo "$HOLDFAST_ATTEMPT" >> '${join(world.witness, 'agents')}'`);
  const scenario = {
    steps: [
      testify,
      shell(`echo "throw new Error('broken by an agent');" >> ${BROKEN}`),
      { write: { path: NOTE, content: '# Mended\n' } },
      { commit: 'Write a note, and break a test' },
    ],
    tasks: { fix: [[testify, shell(`sed -i '/broken by an agent/d' ${BROKEN}`), { commit: 'Mend the test' }]] },
  };
  return {
    title: 'Write a note without breaking anything',
    goal: `There is a page ${NOTE}, and every test passes as before.`,
    context: `\`\`\`scenario\n${JSON.stringify(scenario)}\n\`\`\``,
    acceptance: [`${NOTE} is there`, 'the tests of the kernel pass'],
    scope: [NOTE, BROKEN],
    risk: 'low',
  };
}

interface Played {
  tree: string;
  ledger: string[];
  finished: string[];
  /** Events of the job. */
  events: number;
}

/** The moments of the kills: each after an event of the job, by its place, and a pause. */
interface Moment {
  event: number;
  pauseMs: number;
}

async function play(moments: readonly Moment[]): Promise<Played> {
  await using world = await World.create();
  const project = await cloneProject(world);
  const base = (await git(project, 'rev-parse', 'main')).trim();
  await world.start();
  const settings = { name: 'project', source: project, verify: [gate()], merge: true };
  assert.equal((await world.api('POST', '/v1/repositories', settings)).status, 201);
  const body = { repository: 'project', agent: 'scripted', pipeline: 'full', packet: packet(world) };
  const { id } = await world.submit(body);
  for (const { event, pauseMs } of moments) {
    await until(`event ${event} is recorded`, async () => (await countEvents(world, id)) >= event, { everyMs: 5 });
    await sleep(pauseMs);
    await world.kill();
    await world.start();
  }
  const job = await world.awaitState(id, ...RESTING);
  assert.deepEqual([job.state, job.reason, job.blocker], ['completed', null, null], await world.readLog());
  await checkMerged(world, { project, base, job });
  const attempts = await world.getAttempts(id);
  const own = attempts.filter(({ task, state }) => task !== null && state !== 'never_ran').map((one) => one.id);
  assert.deepEqual(await world.readWitness('agents'), own, 'each attempt of the agent started once');
  const { items } = (await world.api('GET', `/v1/jobs/${id}/gates`)).body as PageView<GateView>;
  const played = {
    tree: (await git(project, 'rev-parse', 'main^{tree}')).trim(),
    ledger: items.map(({ epoch, stage, result }) => `${epoch} ${stage} ${result}`),
    finished: attempts.filter(({ state }) => state === 'finished').map(({ stage }) => stage),
    events: await countEvents(world, id),
  };
  await checkInvariants(world);
  return played;
}

/** The branch was advanced once, by both commits of the agent; its checkout is clean, and passes its own tests. */
async function checkMerged(
  world: World,
  { project, base, job }: { project: string; base: string; job: JobView },
): Promise<void> {
  const reflog = (await git(project, 'reflog', 'show', '--format=%gs', 'main')).trim().split('\n');
  const merges = reflog.filter((line) => line === `holdfast: merge job ${job.number}`);
  assert.equal(merges.length, 1, reflog.join('\n'));
  const commits = await git(
    project,
    'rev-list',
    '--first-parent',
    '--format=%s',
    '--no-commit-header',
    `${base}..main`,
  );
  assert.deepEqual(commits.trim().split('\n'), ['Mend the test', 'Write a note, and break a test']);
  const changed = (await git(project, 'diff', '--name-only', base, 'main')).trim();
  assert.equal(changed, NOTE);
  assert.equal((await git(project, 'status', '--porcelain')).trim(), '', await world.readLog());
  const [command = '', ...args] = gate();
  const env = { PATH: process.env['PATH'] ?? '' };
  await promisify(execFile)(command, args, { cwd: project, env });
}

async function countEvents(world: World, id: string): Promise<number> {
  const answer = await world.api('GET', `/v1/jobs/${id}/timeline?limit=200`);
  return (answer.body as PageView<unknown>).items.length;
}

test(
  'a test that an agent breaks and mends is merged once, through three kills too',
  { skip, timeout: 540_000 },
  async (t) => {
    const unbroken = await play([]);
    assert.deepEqual(unbroken.ledger, ['2 verify FAIL', '3 verify PASS', '3 merge PASS']);
    assert.deepEqual(unbroken.finished, ['implement', 'verify', 'fix', 'verify']);
    const seed = Number(process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = createRandom(seed);
    const places = Array.from({ length: KILLS }, () => 1 + Math.floor(random() * (unbroken.events - 1)));
    const moments = places
      .toSorted((a, b) => a - b)
      .map((event) => ({ event, pauseMs: Math.floor(random() * MAX_PAUSE_MS) }));
    t.diagnostic(
      `seed ${seed}: killed after ${moments.map(({ event, pauseMs }) => `event ${event} + ${pauseMs} ms`).join(', ')}`,
    );
    const { events: _more, ...killed } = await play(moments);
    const { events: _fewer, ...expected } = unbroken;
    assert.deepEqual(killed, expected, `repeat with HOLDFAST_SEED=${seed}`);
  },
);
