/**
 * What an agent is asked for after its work, to fix it and to commit it, it is asked in the session it worked in: told which
 * gate failed, and what is known of an interruption. A session that is refused costs one cold start and no strike.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { readSpec } from '../../src/keeper/run-directory.ts';
import { SESSION_REJECTED } from '../../src/lifecycle/attempt.ts';
import { until } from '../support/poll.ts';
import { World, type JobView } from '../support/world.ts';

const COMMIT = { commit: 'work' };
const GATE = ['sh', '-c', 'grep -q good answer || { echo "the answer is bad"; exit 1; }'];
const BAD = [{ write: { path: 'answer', content: 'bad' } }, COMMIT];
const GOOD = [{ write: { path: 'answer', content: 'good' } }, COMMIT];

function shell(script: string): object {
  return { tool: { argv: ['sh', '-c', script] } };
}

test('later rounds go on in the session of the work', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register({ verify: [GATE] });
  const held = join(world.witness, 'held');
  const go = join(world.witness, 'go');
  const wait = shell(`: > '${held}'; until [ -e '${go}' ]; do sleep 0.05; done`);
  const fixed = await submit(world, { steps: BAD, tasks: { fix: [GOOD] } });
  const left = await submit(world, { steps: GOOD.slice(0, 1), tasks: { commit: [[COMMIT]] } });
  const cut = await submit(world, { steps: BAD, tasks: { fix: [[{ print: 'begun' }, wait, ...GOOD]] } });
  // Its agent forgets every session; what it plays for a cold start is the round that was asked for.
  const forget = shell('rm "$HOME"/.scripted/*.jsonl');
  const refused = await submit(world, { steps: [...BAD, forget], tasks: { fix: [GOOD] } }, { onInterrupt: 'ask' });

  await until('it fixes', () => Promise.resolve(existsSync(held)));
  const fixing = (await world.getAttempts(cut.id)).at(-1);
  for (const one of scanProcesses().attempts.get(fixing?.id ?? '') ?? []) signalProcess(one, 'SIGKILL');
  await writeFile(go, '');
  for (const job of [fixed, left, cut, refused]) {
    const end = await world.awaitState(job.id, 'ready', 'blocked', 'failed');
    assert.deepEqual([end.state, end.blocker], ['ready', null]);
  }

  assert.deepEqual(await rounds(world, fixed), [
    ['work', 'finished', 'cold', true, null],
    ['fix', 'finished', 'warm', true, null],
  ]);
  assert.match(await told(world, fixed, 3), /had ended by itself[^]*does not pass[^]*\nthe answer is bad\n/);
  assert.deepEqual(await rounds(world, left), [
    ['work', 'finished', 'cold', true, null],
    ['commit', 'finished', 'warm', true, null],
  ]);
  assert.match(await told(world, left, 2), /Commit everything/);
  assert.deepEqual(await rounds(world, cut), [
    ['work', 'finished', 'cold', true, null],
    ['fix', 'interrupted', 'warm', true, null],
    ['fix', 'finished', 'warm', true, null],
  ]);
  assert.match(await told(world, cut, 4), /"sh" was running[^]*does not pass[^]*\nthe answer is bad\n/);
  const starts = await readFile(join(world.home.agentHome(cut.id), '.holdfast-starts'), 'utf8');
  assert.match(starts, /^.* start \S+ after step 0\n.* resume \S+ after step 0\n.* resume \S+ after step 1\n$/);
  assert.deepEqual(await rounds(world, refused), [
    ['work', 'finished', 'cold', true, null],
    ['fix', 'interrupted', 'warm', true, SESSION_REJECTED],
    ['fix', 'finished', 'cold', false, null],
  ]);
  const log = await world.readLog();
  for (const [what, mode] of [
    ['session record', ''],
    ['session lookup', ''],
    ['session prune', ''],
    ['spawn', ' mode=warm'],
    ['spawn', ' mode=cold'],
  ]) {
    assert.match(log, new RegExp(`${what}${mode} job=${refused.id} session=\\S+`));
  }
});

function submit(world: World, scenario: object, extra: object = {}): Promise<JobView> {
  return world.submit({ prompt: JSON.stringify(scenario), agent: 'scripted', pipeline: 'full', ...extra });
}

/** Attempts of the agent: task, state, mode, whether it was the session of the first, and the note. */
async function rounds(world: World, job: JobView): Promise<unknown[][]> {
  const attempts = (await world.getAttempts(job.id)).filter(({ stage }) => stage !== 'verify');
  return attempts.map((one) => [one.task, one.state, one.mode, one.sessionId === attempts[0]?.sessionId, one.note]);
}

/** What a session was told when it was taken up. */
async function told(world: World, job: JobView, number: number): Promise<string> {
  const attempt = (await world.getAttempts(job.id)).find((one) => one.number === number);
  const spec = await readSpec(world.home.runDirectory(job.id, number), attempt?.id ?? '');
  assert.ok(spec.kind === 'ok');
  return spec.record.argv.find((word) => word.startsWith('--continue=')) ?? '';
}
