/** A record that cannot be trusted: its job is set aside with the file named and never run again; the others go on. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { RUN_FILES, encodeRecord } from '../../src/keeper/protocol.ts';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { bodyOf } from './forge-records.ts';
import { checkInvariants } from './invariants.ts';

interface Damage {
  file: string;
  /** Says what its agent does once the server is down. */
  agent: 'ends' | 'works on';
  damage(bytes: Buffer): Buffer | string;
  /** In the blocker, after the path of the file. */
  why: RegExp;
}

function flip(bytes: Buffer): Buffer {
  const at = bytes.indexOf('"code":') + '"code":'.length;
  bytes.write('9', at);
  return bytes;
}

const DAMAGES: readonly Damage[] = [
  { file: RUN_FILES.exit, agent: 'ends', damage: flip, why: /sum does not match/ },
  { file: RUN_FILES.exit, agent: 'ends', damage: () => '', why: /not complete JSON/ },
  { file: RUN_FILES.claim, agent: 'works on', damage: (bytes) => bytes.subarray(0, 20), why: /not complete JSON/ },
  { file: RUN_FILES.spec, agent: 'works on', damage: () => 'garbage', why: /not complete JSON/ },
  {
    file: RUN_FILES.agent,
    agent: 'works on',
    damage: (bytes) => encodeRecord('att_another', bodyOf(JSON.parse(bytes.toString()) as object)),
    why: /belongs to attempt att_another/,
  },
];

/** Long enough for a server that wrongly runs a job again to have done so. */
const OBSERVED_MS = 1000;

test('jobs with damaged records are quarantined, others go on', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: DAMAGES.length + 2 } });
  await world.start();
  await world.register({ limits: { concurrency: DAMAGES.length + 2 } });
  const work = 'while [ ! -e "$WITNESS/down" ]; do say working; sleep 0.05; done';
  const jobs = new Map<Damage, JobView>();
  for (const one of DAMAGES) {
    const then = one.agent === 'ends' ? 'exit 3' : 'while :; do say on; sleep 0.1; done';
    jobs.set(one, await world.submitShell(testifying(`${work}; ${then}`)));
  }
  const sound = await world.submitShell(
    testifying(`${work}; while [ ! -e "$WITNESS/up" ]; do say on; sleep 0.1; done`),
  );
  for (const job of [...jobs.values(), sound]) {
    await until(`job ${job.number} works`, async () => (await world.getJob(job.id)).outputBytes > 0);
  }
  await world.kill();
  await writeFile(join(world.witness, 'down'), '');
  for (const [one, job] of jobs) await damage(world, one, job);

  await world.start();
  for (const [one, job] of jobs) await checkQuarantined(world, one, job);
  await writeFile(join(world.witness, 'up'), '');
  await world.awaitState(sound.id, 'completed');
  const later = await world.submitShell(testifying('say later'));
  await world.awaitState(later.id, 'completed');
  await sleep(OBSERVED_MS);
  await world.kill();
  await world.start();
  for (const job of jobs.values()) {
    assert.equal((await world.getJob(job.id)).state, 'quarantined');
    assert.equal((await readStarts(world, job.id)).length, 1);
    // Nothing that was damaged is taken away: it is the evidence.
    assert.equal((await world.getAttempts(job.id)).length, 1);
  }
  await checkInvariants(world);
});

async function damage(world: World, one: Damage, job: JobView): Promise<void> {
  const attempt = (await world.listAttempts()).find((known) => known.job === job.id);
  assert.ok(attempt !== undefined);
  if (one.agent === 'ends') {
    await until('its keeper has ended', () => attempt.keeper !== null && !isAlive(attempt.keeper));
  }
  const path = join(attempt.runDir, one.file);
  await writeFile(path, one.damage(await readFile(path)));
}

async function checkQuarantined(world: World, one: Damage, job: JobView): Promise<void> {
  const now = await world.getJob(job.id);
  const path = join(world.home.runDirectory(job.id, 1), one.file);
  assert.deepEqual([now.state, now.reason], ['quarantined', 'record_corrupt'], one.file);
  const blocker = now.blocker ?? '';
  assert.ok(blocker.startsWith(`${path}: `), `${blocker} does not name ${path}`);
  assert.match(blocker, one.why);
  const finding = (await world.readReport()).jobs.find((found) => found.id === job.id);
  assert.deepEqual(
    [finding?.verdict, finding?.outcome, finding?.nextSafeAction],
    ['QUARANTINE', 'quarantined', 'inspect_quarantine'],
  );
}
