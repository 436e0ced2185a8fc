/**
 * Agents start their tools in sessions of their own: a tool outlives its agent and goes on writing into the workspace.
 * Whoever is left to notice ends it before anything else happens to the job.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import type { KnownAttempt } from '../support/world-processes.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { choose } from './size.ts';

/** The first attempt leaves a tool behind that notes the time again and again; the second one notes when it starts. */
const SCRIPT = `if [ -e "$WITNESS/first.$HOLDFAST_JOB" ]; then date +%s%N >"$WITNESS/second.$HOLDFAST_JOB"; exit 0; fi
: >"$WITNESS/first.$HOLDFAST_JOB"
setsid sh -c 'while :; do date +%s%N >>"$0"; date >>tool.txt; sleep 0.02; done' "$WITNESS/ticks.$HOLDFAST_JOB" &
`;
const WAIT = 'say first; sleep 600';
/** As a signal of a stranger would end it, but at a moment the test chooses. */
const DIE = 'while [ ! -e "$WITNESS/die" ]; do sleep 0.02; done; kill -TERM $$; sleep 600';

interface Case {
  name: string;
  script: string;
  always: boolean;
  /** Ends the first attempt in one way or another; the server is alive before it and after it. */
  act(world: World, attempt: KnownAttempt): Promise<void>;
}

const CASES: readonly Case[] = [
  {
    name: 'the agent is killed',
    script: WAIT,
    always: true,
    act: async (_world, attempt) => killNow(attempt.agent),
  },
  {
    name: 'the keeper is killed, then the agent',
    script: WAIT,
    always: false,
    act: async (_world, attempt) => {
      await killNow(attempt.keeper);
      await killNow(attempt.agent);
    },
  },
  {
    name: 'the agent is killed while the server is down',
    script: WAIT,
    always: false,
    act: async (world, attempt) => {
      await world.kill();
      await killNow(attempt.agent);
      await until('its keeper has ended', () => attempt.keeper !== null && !isAlive(attempt.keeper));
      await world.start();
    },
  },
  {
    name: 'the keeper and the agent are killed while the server is down',
    script: WAIT,
    always: true,
    act: async (world, attempt) => {
      await world.kill();
      await killNow(attempt.keeper);
      await killNow(attempt.agent);
      assert.ok(countAlive(attempt) > 0, 'the tool did not outlive its agent: this test shows nothing');
      await world.start();
    },
  },
];

for (const one of choose(CASES)) {
  test(`${one.name}: its tool is dead before the next attempt starts`, { timeout: 120_000 }, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const job = await world.submitShell(testifying(SCRIPT + one.script));
    const attempt = await awaitTool(world, job);
    await one.act(world, attempt);
    await checkEndedFirst(world, job, attempt);
    await checkInvariants(world);
  });
}

test('a keeper dies between its record and the end of strays', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start({ failpoints: 'keeper.after-exit-record:crash' });
  await world.register();
  const job = await world.submitShell(testifying(SCRIPT + DIE));
  const attempt = await awaitTool(world, job);
  await world.kill();
  await writeFile(join(world.witness, 'die'), '');
  await until('its keeper has died', () => attempt.keeper !== null && !isAlive(attempt.keeper));
  assert.ok(countAlive(attempt) > 0, 'the tool did not outlive its keeper: this test shows nothing');
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['FINISHED', 'restarted_cold']);
  await checkEndedFirst(world, job, attempt);
  const [first] = await world.getAttempts(job.id);
  assert.deepEqual([first?.state, first?.exitSignal], ['interrupted', 'SIGTERM']);
  await checkInvariants(world);
});

async function awaitTool(world: World, job: JobView): Promise<KnownAttempt> {
  await until('the tool works', async () => (await world.readWitness(`ticks.${job.id}`)).length > 2);
  const attempt = (await world.listAttempts()).find((known) => known.job === job.id);
  assert.ok(attempt !== undefined && attempt.keeper !== null && attempt.agent !== null);
  return attempt;
}

async function killNow(identity: ProcessIdentity | null): Promise<void> {
  assert.ok(identity !== null && signalProcess(identity, 'SIGKILL'), 'it was dead already');
  await until('it is dead', () => !isAlive(identity));
}

function countAlive(attempt: KnownAttempt): number {
  return (scanProcesses().attempts.get(attempt.id) ?? []).length;
}

/** The second attempt completed; when it began, the tool of the first had written for the last time. */
async function checkEndedFirst(world: World, job: JobView, attempt: KnownAttempt): Promise<void> {
  const ended = await world.awaitState(job.id, 'completed', 'failed', 'blocked', 'quarantined');
  assert.deepEqual([ended.state, ended.reason, ended.attempts], ['completed', null, 2]);
  assert.equal(countAlive(attempt), 0);
  const ticks = await world.readWitness(`ticks.${job.id}`);
  const [second] = await world.readWitness(`second.${job.id}`);
  const last = ticks.at(-1);
  assert.ok(last !== undefined && second !== undefined && BigInt(last) < BigInt(second), `${last} is after ${second}`);
  assert.equal((await readStarts(world, job.id)).length, 2);
}
