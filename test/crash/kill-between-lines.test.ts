/** The server is killed between two lines of an agent, over and over: not a byte is lost, repeated or out of place. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { readCopy, readEnds, readStarts, testifying, type Start } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { isFull } from './size.ts';

const LINES = 20;
const KILLS = isFull ? LINES : 5;
const KILL_LINES = isFull ? Array.from({ length: LINES }, (_, index) => index + 1) : [10];
const EXIT = 7;

test('one agent, its server killed between line after line', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const endless = 'n=0; while [ ! -e "$WITNESS/enough" ]; do n=$((n+1)); say "line $n"; sleep 0.1; done; exit 7';
  const job = await world.submitShell(testifying(endless));
  const agent = await firstStart(world, job);
  let seen = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    const lines = await countLines(world, agent);
    await until('another line is written', async () => (await countLines(world, agent)) > lines, { everyMs: 5 });
    const atKill = await readCopy(world, agent.attempt);
    await world.kill();
    await world.start();
    const bytes = await checkReattached(world, job, { agent, atKill });
    assert.ok(bytes >= seen, `after kill ${kill} only ${bytes} of ${seen} bytes were left`);
    seen = bytes;
  }
  await writeFile(join(world.witness, 'enough'), '');
  await checkWhole(world, job, agent);
  await checkInvariants(world);
});

for (const line of KILL_LINES) {
  test(`an agent of 20 lines, its server killed after line ${line}`, { timeout: 120_000 }, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const script = `for n in $(seq ${LINES}); do say "line $n"; sleep 0.1; done; exit ${EXIT}`;
    const job = await world.submitShell(testifying(script));
    const agent = await firstStart(world, job);
    await until(`line ${line} is written`, async () => (await countLines(world, agent)) >= line, { everyMs: 5 });
    await world.kill();
    await world.start();
    await checkWhole(world, job, agent);
    const lines = (await world.readOutput(job.id)).split('\n');
    assert.deepEqual(lines, [...Array.from({ length: LINES }, (_, index) => `line ${index + 1}`), '']);
    await checkInvariants(world);
  });
}

async function firstStart(world: World, job: JobView): Promise<Start> {
  return until('the agent has started', async () => (await readStarts(world, job.id))[0]);
}

async function countLines(world: World, agent: Start): Promise<number> {
  return (await readCopy(world, agent.attempt)).split('\n').length - 1;
}

/**
 * Right after a restart: the same process, and output that begins as the agent wrote it. The witness is written before
 * the output, so what it held at the kill, the last line apart, must be there. Returns how many bytes are.
 */
async function checkReattached(world: World, job: JobView, at: { agent: Start; atKill: string }): Promise<number> {
  const output = await world.readOutput(job.id);
  const copy = await readCopy(world, at.agent.attempt);
  assert.equal(output, copy.slice(0, output.length), 'the output is no prefix of what the agent wrote');
  const certain = at.atKill.trimEnd().lastIndexOf('\n') + 1;
  assert.ok(output.length >= certain, `of ${certain} bytes written before the kill ${output.length} are there`);
  const finding = (await world.readReport()).jobs.find((one) => one.id === job.id);
  assert.deepEqual([finding?.verdict, finding?.outcome, finding?.worker?.pid], ['RUNNING', 'reattached', at.agent.pid]);
  const [attempt, ...others] = await world.getAttempts(job.id);
  assert.deepEqual([attempt?.id, attempt?.agent?.pid, others.length], [at.agent.attempt, at.agent.pid, 0]);
  return output.length;
}

/** At the end: everything the agent wrote, its real exit code, one start, the process of the beginning. */
async function checkWhole(world: World, job: JobView, agent: Start): Promise<void> {
  const ended = await world.awaitState(job.id, 'failed', 'completed', 'blocked', 'quarantined');
  assert.deepEqual([ended.state, ended.exitCode, ended.attempts], ['failed', EXIT, 1]);
  const copy = await readCopy(world, agent.attempt);
  assert.equal(await world.readOutput(job.id), copy);
  assert.equal(ended.outputBytes, Buffer.byteLength(copy));
  assert.deepEqual(await readStarts(world), [agent]);
  assert.deepEqual(await readEnds(world), [{ job: job.id, attempt: agent.attempt, code: EXIT }]);
}
