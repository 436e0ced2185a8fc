import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FailpointName } from '../../kernel/failpoints.ts';
import type { VerdictKind } from '../../lifecycle/verdict.ts';
import { endStrays } from '../processes.ts';
import { sealAttempt } from '../run-directory.ts';
import { Trial, processesIn, until } from './trial.ts';

/** Rounds of each race: a few in every run, many when asked. */
const ROUNDS = process.env['HOLDFAST_TEST_FULL'] === '1' || process.env['HOLDFAST_CRASH'] === 'all' ? 200 : 25;

interface CrashCase {
  point: FailpointName;
  verdict: VerdictKind;
  /** How often the agent may have run. */
  starts: 0 | 1;
}

/** What a server finds when the keeper was killed at each of its steps. */
const CRASHES: CrashCase[] = [
  { point: 'keeper.before-claim', verdict: 'NOT_STARTED', starts: 0 },
  { point: 'keeper.after-claim', verdict: 'NEVER_RAN', starts: 0 },
  { point: 'keeper.after-reserve', verdict: 'NEVER_RAN', starts: 0 },
  { point: 'keeper.after-gate', verdict: 'NEVER_RAN', starts: 0 },
  { point: 'keeper.after-agent-record', verdict: 'INTERRUPTED', starts: 0 },
  { point: 'keeper.after-go', verdict: 'ORPHAN_RUNNING', starts: 1 },
  { point: 'keeper.after-wait', verdict: 'STRAYS', starts: 1 },
  { point: 'keeper.after-output-sync', verdict: 'STRAYS', starts: 1 },
  { point: 'keeper.before-exit-rename', verdict: 'STRAYS', starts: 1 },
  { point: 'keeper.after-exit-record', verdict: 'STRAYS', starts: 1 },
  { point: 'keeper.after-strays', verdict: 'FINISHED', starts: 1 },
];

/** The same steps, failing instead of dying: an error before go is recorded, one after it never loses the agent. */
const FAILURES: { point: FailpointName; verdict: VerdictKind; starts: 0 | 1 }[] = [
  { point: 'keeper.before-claim', verdict: 'NOT_STARTED', starts: 0 },
  { point: 'keeper.after-claim', verdict: 'NEVER_RAN', starts: 0 },
  { point: 'keeper.after-reserve', verdict: 'NEVER_RAN', starts: 0 },
  { point: 'keeper.after-gate', verdict: 'NEVER_RAN', starts: 0 },
  { point: 'keeper.after-agent-record', verdict: 'NEVER_RAN', starts: 0 },
  { point: 'keeper.after-go', verdict: 'FINISHED', starts: 1 },
  { point: 'keeper.after-wait', verdict: 'FINISHED', starts: 1 },
  { point: 'keeper.after-output-sync', verdict: 'FINISHED', starts: 1 },
  { point: 'keeper.before-exit-rename', verdict: 'INTERRUPTED', starts: 1 },
  { point: 'keeper.after-exit-record', verdict: 'FINISHED', starts: 1 },
  { point: 'keeper.after-strays', verdict: 'FINISHED', starts: 1 },
];

/** The keeper killed or failing at every step. */
export function testCrashes(command: string[]): void {
  for (const { point, verdict, starts } of CRASHES) {
    test(`killed at ${point} the evidence is ${verdict}`, async () => {
      await using trial = new Trial(command);
      // The agent leaves a tool behind, so that "nothing lives" and "the keeper ended it" differ.
      const linger = point === 'keeper.after-go' ? 'exec sleep 60' : 'exit 5';
      await trial.prepare(`setsid sleep 60 & ${linger}`);
      await trial.launch(`${point}:crash`);
      await keeperGone(trial, point);
      if (starts === 1) await until('the agent has run', () => trial.starts() === 1);
      await until(`verdict ${verdict}`, async () => (await trial.verdict()).kind === verdict);
      assert.equal(trial.starts(), starts);
      if (verdict !== 'STRAYS') return;
      const { left } = await endStrays({ attempt: trial.attempt });
      assert.deepEqual(left, []);
      const hasRecord = point === 'keeper.after-exit-record';
      assert.equal((await trial.verdict()).kind, hasRecord ? 'FINISHED' : 'INTERRUPTED');
    });
  }

  for (const { point, verdict, starts } of FAILURES) {
    test(`failing at ${point} the evidence is ${verdict}`, async () => {
      await using trial = new Trial(command);
      await trial.prepare('setsid sleep 60 & exit 5');
      await trial.launch(`${point}:error`);
      await keeperGone(trial, point);
      // Its record may be there a moment before its process is gone.
      await until(`verdict ${verdict}`, async () => (await trial.verdict()).kind === verdict);
      const judged = await trial.verdict();
      assert.equal(trial.starts(), starts);
      assert.deepEqual(trial.tokens(), []);
      if (judged.kind === 'FINISHED') assert.equal(judged.exit.code, 5);
      assert.notEqual(trial.text('keeper.log'), '', 'the keeper did not say what failed');
    });
  }

  test('an agent whose keeper is killed runs on, and nothing but it is seen alive', async () => {
    await using trial = new Trial(command);
    await trial.start('echo up; exec sleep 60');
    const connection = await trial.connect();
    await until('the agent is up', () => trial.text('output') === 'up\n');
    process.kill((await trial.keeper()).pid, 'SIGKILL');
    await connection.ended;
    await trial.keeperDead();
    const evidence = await trial.evidence();
    assert.deepEqual([evidence.keeperAlive, evidence.agentAlive, evidence.straysAlive], [false, true, false]);
    assert.equal((await trial.verdict()).kind, 'ORPHAN_RUNNING');
    process.kill(evidence.agent?.pid ?? 0, 'SIGKILL');
    await until('verdict INTERRUPTED', async () => (await trial.verdict()).kind === 'INTERRUPTED');
  });
}

/** Exactly one start, whoever races. */
export function testRaces(command: string[]): void {
  test(`two keepers for one attempt: exactly one start in each of ${ROUNDS} rounds`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await using trial = new Trial(command);
      await trial.prepare('exit 0');
      await Promise.all([trial.launch(), trial.launch()]);
      await trial.exit();
      await until('both are gone', () => processesIn(trial.runDir).length === 0);
      assert.equal(trial.starts(), 1, `round ${round}`);
    }
  });

  test(`seal against a slow keeper: one of both in each of ${ROUNDS} rounds`, async () => {
    const seen = { sealed: 0, claimed: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      await using trial = new Trial(command);
      await trial.prepare('exit 0');
      await trial.launch();
      // Sweeps over the keeper's start, so that both sides win some rounds.
      await sleep((round % 25) * 3);
      const outcome = await sealAttempt({ runDir: trial.runDir, attemptId: trial.attempt, host: 'host_x' });
      seen[outcome] += 1;
      await until('the keeper is gone', () => processesIn(trial.runDir).length === 0);
      assert.equal(trial.starts(), outcome === 'sealed' ? 0 : 1, `round ${round}: ${outcome}`);
      assert.equal((await trial.evidence()).claim, outcome === 'sealed' ? 'tombstone' : 'keeper');
    }
    assert.ok(seen.sealed > 0 && seen.claimed > 0, `one side always won: ${JSON.stringify(seen)}`);
  });
}

/** Disks and paths at their worst. */
export function testSurroundings(command: string[]): void {
  test('a run directory far deeper than a socket address is long', async () => {
    await using trial = new Trial(command, join('d'.repeat(120), 'e'.repeat(120)));
    await trial.start('trap "exit 2" TERM; echo up; while :; do sleep 0.02; done', { graceMs: 60_000 });
    const keeper = await trial.connect();
    await until('the agent is up', () => trial.text('output') === 'up\n');
    await keeper.stop('far away');
    assert.equal((await trial.exit()).code, 2);
    keeper.close();
  });

  test('on a full disk the exit record is still written', async (t) => {
    await using trial = new Trial(command, 'disk');
    const disk = join(trial.folder, 'disk');
    mkdirSync(disk);
    try {
      system('mount', '-t', 'tmpfs', '-o', 'size=256k,nr_inodes=64', 'tmpfs', disk);
    } catch {
      t.diagnostic('not allowed to mount a file system: a full disk was not tried');
      return;
    }
    try {
      const fill = `until ! head -c 4096 /dev/zero >>'${disk}/filler' 2>/dev/null; do :; done`;
      // Longer than a heartbeat, so that one of them meets the full disk.
      await trial.start(`${fill}; echo lost; sleep 6; exit 9`);
      const exit = await trial.exit();
      assert.deepEqual([exit.started, exit.code, exit.bytesOut], [true, 9, 0]);
      assert.ok(statSync(join(disk, 'filler')).size > 100_000, 'the disk was never full');
      assert.equal((await trial.verdict()).kind, 'FINISHED');
    } finally {
      await until('unmounted', () => tryUnmount(disk));
    }
  });
}

function system(tool: string, ...args: string[]): void {
  execFileSync(tool, args, { stdio: 'pipe' });
}

function tryUnmount(path: string): boolean {
  try {
    system('umount', path);
    return true;
  } catch {
    return false;
  }
}

async function keeperGone(trial: Trial, point: FailpointName): Promise<void> {
  if (point !== 'keeper.before-claim') await trial.keeper();
  await until('the keeper is gone', () => processesIn(trial.runDir).length === 0);
}
