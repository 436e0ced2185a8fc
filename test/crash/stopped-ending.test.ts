import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { RUN_FILES, decodeRecord, encodeRecord } from '../../src/keeper/protocol.ts';
import { DEADLINE_MS, until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

/** How long a keeper may live on after its exit record (ADR 36). */
const KEEPER_ENDING_MS = 45_000;
/** From the record of a keeper that hangs to the end of its job: until it is looked at, does not answer, and is killed. */
const LONGEST_END_MS = 30_000 + 5000 + KEEPER_ENDING_MS;

/** Starts a job whose keeper stops after its exit record; returns the job and the keeper. */
async function stopAtItsEnd(world: World, code: number): Promise<{ id: string; keeper: ProcessIdentity }> {
  const { id } = await world.submitShell(testifying(`say done; exit ${code}`));
  const keeper = await until('it has a keeper', async () => {
    const known = await world.listAttempts();
    return known.find((one) => one.job === id)?.keeper;
  });
  await until('the keeper is stopped', () => readProcess(keeper.pid)?.state === 'T');
  return { id, keeper };
}

/** A keeper that hangs in its last steps holds up its own job and nothing else. */
test('a keeper stopped after its exit record does not hold up the start', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start({ failpoints: 'keeper.after-exit-record:stop' });
  await world.register();
  const { keeper, ...job } = await stopAtItsEnd(world, 3);
  await world.kill();
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['ENDING', 'reattached']);
  const next = await world.submitShell(testifying('say other'));
  await world.awaitState(next.id, 'completed');
  assert.equal((await world.getJob(job.id)).state, 'running');
  signalProcess(keeper, 'SIGCONT');
  const ended = await world.awaitState(job.id, 'failed', 'completed');
  assert.deepEqual([ended.exitCode, ended.attempts, (await readStarts(world, job.id)).length], [3, 1, 1]);
  await checkInvariants(world);
});

/** A process of Node can hang while it exits: the record it left is what counts. */
test('a keeper that hangs after its exit record is killed, and its record counts', { timeout: 600_000 }, async () => {
  await using world = await World.create();
  await world.start({ failpoints: 'keeper.after-exit-record:stop' });
  await world.register({ limits: { concurrency: 3 } });
  const jobs = [await stopAtItsEnd(world, 3), await stopAtItsEnd(world, 4)];
  await world.kill();
  // The first still takes calls; the second hangs where it has taken its socket away.
  const closed = world.home.runDirectory(jobs[1]?.id ?? '', 1);
  await rm(join(closed, RUN_FILES.socket));
  await world.start({ failpoints: 'keeper.after-exit-record:stop' });
  // Followed by the server that started it.
  jobs.push(await stopAtItsEnd(world, 5));
  for (const [index, { id, keeper }] of jobs.entries()) {
    const ended = await until(
      'it has ended',
      async () => {
        const job = await world.getJob(id);
        return job.state === 'running' ? null : job;
      },
      { deadlineMs: LONGEST_END_MS + DEADLINE_MS },
    );
    assert.deepEqual([ended.state, ended.exitCode, ended.attempts], ['failed', 3 + index, 1]);
    assert.ok(!isAlive(keeper), 'the keeper lives');
    assert.equal((await readStarts(world, id)).length, 1);
    assert.match(await world.readLog(), new RegExp(`keeper of job ${index + 1} .*process ${keeper.pid} is killed`));
  }
  await checkInvariants(world);
});

/** What an agent that is not confined can do: write its own end, and take away the socket on which its keeper would answer. */
test('a keeper beside a forged exit record is left to write the true one', { timeout: 300_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell(testifying('until test -e "$WITNESS/go"; do sleep 0.2; done; exit 3'));
  const attempt = await until('its agent runs', async () => {
    const known = (await world.listAttempts()).find((one) => one.job === job.id);
    return known?.agent && (await readStarts(world, job.id)).length === 1 ? known : null;
  });
  await world.kill();
  const claim = decodeRecord(attempt.id, await readFile(join(attempt.runDir, RUN_FILES.claim), 'utf8')).sum;
  const ended = { started: true, code: 0, signal: null, execErrno: null, stoppedBy: null, reason: null };
  const record = { ...ended, at: Date.now(), bytesOut: 0, bytesErr: 0, claim };
  await writeFile(join(attempt.runDir, RUN_FILES.exit), encodeRecord(attempt.id, record));
  await rm(join(attempt.runDir, RUN_FILES.socket));
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['ENDING', 'reattached']);
  await sleep(KEEPER_ENDING_MS + 2000);
  assert.ok(attempt.keeper !== null && isAlive(attempt.keeper), 'the keeper was killed');
  assert.equal((await world.getJob(job.id)).state, 'running');
  await writeFile(join(world.witness, 'go'), '');
  const end = await world.awaitState(job.id, 'failed', 'completed');
  assert.deepEqual([end.state, end.exitCode, end.attempts], ['failed', 3, 1]);
  await checkInvariants(world);
});
