/** Agents that end, or are ended by a limit, while no server lives: recorded afterwards as they really ended. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RecoveryOutcome } from '../../src/lifecycle/report.ts';
import { until } from '../support/poll.ts';
import { readCopy, readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

interface Case {
  name: string;
  /** What it does once the server is gone. */
  script: string;
  limits?: { wallMs?: number; idleMs?: number; outputBytes?: number };
  outcome: RecoveryOutcome;
  state: string;
  reason: string | null;
  exitCode: number | null;
  stoppedBy: string | null;
  /** Its own copy is the whole output; not so when it floods its output. */
  copied: boolean;
}

/** Much longer than it takes from the start of the last job to the kill. */
const WALL_MS = 8000;

const CASES: readonly Case[] = [
  {
    name: 'success',
    script: 'say last; exit 0',
    outcome: 'completed_while_down',
    state: 'completed',
    reason: null,
    exitCode: 0,
    stoppedBy: null,
    copied: true,
  },
  {
    name: 'failure',
    script: 'for n in $(seq 500); do say "more $n"; done; exit 3',
    outcome: 'completed_while_down',
    state: 'failed',
    reason: 'exit_code',
    exitCode: 3,
    stoppedBy: null,
    copied: true,
  },
  {
    name: 'idle limit',
    script: 'sleep 600',
    limits: { idleMs: 3000 },
    outcome: 'stopped_while_down',
    state: 'timed_out',
    reason: 'idle_limit',
    exitCode: null,
    stoppedBy: 'idle',
    copied: true,
  },
  {
    name: 'output limit',
    script: 'head -c 20000 /dev/zero; sleep 600',
    limits: { outputBytes: 10_000 },
    outcome: 'stopped_while_down',
    state: 'failed',
    reason: 'output_limit',
    exitCode: null,
    stoppedBy: 'output',
    copied: false,
  },
  // Last, because its time runs from its start.
  {
    name: 'wall limit',
    script: 'while :; do say again; sleep 0.2; done',
    limits: { wallMs: WALL_MS },
    outcome: 'stopped_while_down',
    state: 'timed_out',
    reason: 'wall_limit',
    exitCode: null,
    stoppedBy: 'wall',
    copied: true,
  },
];

test('agents end while the server is down', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: CASES.length } });
  await world.start();
  await world.register({ limits: { concurrency: CASES.length } });
  const jobs = new Map<Case, JobView>();
  for (const one of CASES) {
    // Says something until it is told that the server is dead: nothing it does then was seen by anybody.
    const before = 'while [ ! -e "$WITNESS/down" ]; do say alive; sleep 0.1; done';
    const extra = one.limits === undefined ? {} : { limits: one.limits };
    jobs.set(one, await world.submitShell(testifying(`${before}\n${one.script}`), extra));
  }
  for (const job of jobs.values()) {
    await until(`job ${job.number} has printed`, async () => (await world.getJob(job.id)).outputBytes > 0);
  }
  await world.kill();
  await writeFile(join(world.witness, 'down'), '');
  await until('everything has ended', async () => (await world.listProcesses()).length === 0);
  await world.start();
  for (const [one, job] of jobs) await checkEnded(world, one, job);
  assert.equal((await readStarts(world)).length, CASES.length);
  await checkInvariants(world);
});

async function checkEnded(world: World, one: Case, job: JobView): Promise<void> {
  const finding = (await world.readReport()).jobs.find((found) => found.id === job.id);
  assert.deepEqual(
    [finding?.outcome, finding?.verdict, finding?.stateBefore],
    [one.outcome, 'FINISHED', 'running'],
    one.name,
  );
  const ended = await world.getJob(job.id);
  assert.deepEqual(
    [ended.state, ended.reason, ended.exitCode, ended.attempts],
    [one.state, one.reason, one.exitCode, 1],
    one.name,
  );
  const [attempt] = await world.getAttempts(job.id);
  assert.equal(attempt?.stoppedBy, one.stoppedBy, one.name);
  const output = await world.readOutput(job.id);
  assert.equal(output.length, ended.outputBytes, one.name);
  if (one.copied) assert.equal(output, await readCopy(world, attempt?.id ?? ''), one.name);
  else assert.ok(output.endsWith('\0'.repeat(20_000)), one.name);
}
