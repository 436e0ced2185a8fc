/**
 * A home with a long past and one damaged record of every kind: the server is there in its time, serves the rest, has
 * named each once its check of history is over, and the report says of every one what to do next.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../../src/lifecycle/job.ts';
import type { Corruption } from '../../src/lifecycle/report.ts';
import { addFinishedJobs } from '../support/finished-jobs.ts';
import { addOneOfEach } from '../support/one-of-each.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import {
  damageFiles,
  damageKept,
  damageRows,
  damageRuns,
  damageWitness,
  type Damage,
  type Past,
} from './damage-home.ts';
import { isFull } from './size.ts';

const JOBS = isFull ? 10_000 : 300;
/** Start to accepting work, milliseconds (issue: < 2 s); the report's own clock, so that a busy machine shows. */
const READY_MS = 2000;

test(`${JOBS} finished jobs and one damaged record of every kind`, { timeout: 900_000 }, async (t) => {
  await using world = await World.create();
  const { bearer, mirrorOf, told } = await liveOnce(world);
  const past: Past = {
    jobs: await addFinishedJobs(world.home, { repository: 'demo', count: JOBS }),
    one: await addOneOfEach(world.home),
    told,
  };
  const { jobs } = past;
  const damages = [
    ...damageRows(world, past),
    ...damageRuns(world, past),
    ...damageKept(world, past, mirrorOf),
    ...damageFiles(world),
  ];
  await world.start();
  const report = await world.readReport();
  t.diagnostic(`ready after ${report.recoveryMs} ms with ${JOBS} finished jobs`);
  assert.ok(report.recoveryMs < READY_MS * (isFull ? 1 : 3), `ready after ${report.recoveryMs} ms`);
  await serveTheRest(world, jobs);
  const began = performance.now();
  const corruption = await awaitScrub(world);
  t.diagnostic(
    `history checked after ${Math.round(performance.now() - began)} ms: ${JSON.stringify(corruption.kinds)}`,
  );
  checkNamed(corruption, damages);
  const { body } = await world.api('GET', '/v1/quarantine?limit=200');
  const open = (body as { items: { kind: string; item: string }[] }).items;
  const named = open.map(({ kind, item }) => `${kind} ${item}`);
  assert.deepEqual(
    named.toSorted(),
    // The one job that could still have run is set aside itself.
    [
      `quarantined_job ${past.one.withFiles}`,
      ...(corruption.items ?? []).map(({ kind, item }) => `${kind} ${item}`),
    ].toSorted(),
  );
  await showDamaged(world, jobs);
  assert.equal(
    (await world.call({ method: 'GET', path: '/v1/jobs', headers: { authorization: `Bearer ${bearer}` } })).status,
    401,
    'a damaged token is refused',
  );
  const doctor = (await world.api('GET', '/v1/doctor?deep=true')).body as {
    ok: boolean;
    checks: { name: string; detail: string }[];
  };
  assert.equal(doctor.ok, false);
  const detailOf = (wanted: string): string => doctor.checks.find(({ name }) => name === wanted)?.detail ?? '';
  assert.match(detailOf('start'), /degraded: .*callback-secret/);
  assert.match(detailOf('set aside'), new RegExp(`^${corruption.corrupt} .*, 1 whole jobs$`));
  const words = doctor.checks.map((check) => check.detail).join('\n');
  for (const { kind, name, mended } of damages) {
    assert.ok(mended === true || words.includes(name), `doctor --deep does not name ${kind} ${name}`);
  }
  const metrics = String((await world.api('GET', '/metrics')).body);
  assert.match(metrics, /holdfast_corruption_complete 1/);
  assert.match(metrics, new RegExp(`holdfast_quarantine_items ${corruption.corrupt}`));
  await world.kill();
  const later = damageWitness(world);
  await world.start();
  const again = await awaitScrub(world);
  checkNamed(again, later);
  assert.deepEqual(
    again.items?.filter((item) => !corruption.items?.some((one) => one.id === item.id)).map(({ kind }) => kind),
    ['witness'],
    'the second start finds the same things, and what is new',
  );
});

/** What a server of this home did: two jobs with transcripts, a token, repositories, one of them removed. */
async function liveOnce(world: World): Promise<{ bearer: string; mirrorOf: string; told: [string, string] }> {
  const server = await world.start();
  await world.register({ limits: { concurrency: 256 } });
  await world.registerAnother('lib');
  await world.registerAnother('third');
  const token = await world.api('POST', '/v1/tokens', { name: 'ci' });
  await world.api('POST', '/v1/repositories', { name: 'gone', source: world.repository });
  await until('it is removed', async () => (await world.api('DELETE', '/v1/repositories/gone')).status === 204);
  const lib = await until('it is cloned', async () => {
    const { body } = await world.api('GET', '/v1/repositories/lib');
    const { id, cloneState } = body as { id: string; cloneState: string };
    return cloneState === 'ready' ? id : null;
  });
  const jobs = [await world.submitShell('echo one'), await world.submitShell('echo two')];
  for (const { id } of jobs) await world.awaitState(id, 'completed');
  server.child.kill('SIGTERM');
  await world.awaitEnd(server);
  return {
    bearer: (token.body as { token: string }).token,
    mirrorOf: lib,
    told: [jobs[0]?.id ?? '', jobs[1]?.id ?? ''],
  };
}

async function serveTheRest(world: World, jobs: readonly Job[]): Promise<void> {
  const healthy = jobs.at(-1);
  assert.ok(healthy !== undefined);
  assert.equal((await world.getJob(healthy.id)).state, 'completed');
  assert.equal(await world.readOutput(healthy.id), `job ${healthy.number} worked\n`);
  for (let cursor: string | null = null, pages = 0; pages < 3; pages++) {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page = await world.api('GET', `/v1/jobs?limit=200${query}`);
    assert.equal(page.status, 200, JSON.stringify(page.body));
    cursor = (page.body as { nextCursor: string | null }).nextCursor;
    if (cursor === null) break;
  }
  for (const path of ['/v1/recovery/boots', '/v1/repositories', '/v1/tokens', '/v1/locks', '/v1/queue']) {
    assert.equal((await world.api('GET', path)).status, 200, path);
  }
  const fresh = await world.submitShell('echo fresh');
  await world.awaitState(fresh.id, 'completed');
}

async function awaitScrub(world: World): Promise<Corruption> {
  return until(
    'history is checked',
    async () => {
      const { corruption } = await world.readReport();
      return corruption.complete ? corruption : null;
    },
    { deadlineMs: 600_000 },
  );
}

function checkNamed({ items, files }: Corruption, damages: readonly Damage[]): void {
  const missing = damages.filter(
    ({ kind, name }) => items?.some((item) => item.kind === kind && item.item.includes(name)) !== true,
  );
  assert.deepEqual(missing, [], `named were only: ${files.join('\n')}`);
  for (const item of items ?? []) {
    assert.equal(item.nextSafeAction, 'inspect_quarantine');
    assert.ok(item.command?.includes(item.id) === true && item.advice !== '' && item.why !== '', JSON.stringify(item));
  }
}

/** A finished job stays as it ended, and says that it is damaged. */
async function showDamaged(world: World, jobs: readonly Job[]): Promise<void> {
  const answer = await world.api('GET', `/v1/jobs/${jobs[0]?.id}`);
  const job = answer.body as { state: string; blocker: string | null; nextSafeAction: string };
  assert.equal(job.state, 'completed');
  assert.match(job.blocker ?? '', /damaged/);
  assert.equal(job.nextSafeAction, 'inspect_quarantine');
}
