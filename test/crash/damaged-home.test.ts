/**
 * A home with a long past and one damaged record of every kind: the server is there in its time, serves the rest, has
 * named each once its check of history is over, and the report says of every one what to do next.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import type { Job } from '../../src/lifecycle/job.ts';
import type { Corruption } from '../../src/lifecycle/report.ts';
import { addFinishedJobs } from '../support/finished-jobs.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { isFull } from './size.ts';

const JOBS = isFull ? 10_000 : 300;
/** Start to accepting work, milliseconds (issue: < 2 s); the report's own clock, so that a busy machine shows. */
const READY_MS = 2000;

interface Damage {
  /** Kind under which it must be named. */
  kind: string;
  /** Contained in the name it must be named by. */
  name: string;
}

test(`${JOBS} finished jobs and one damaged record of every kind`, { timeout: 900_000 }, async (t) => {
  await using world = await World.create();
  await world.start();
  await world.register({ limits: { concurrency: 256 } });
  const token = await world.api('POST', '/v1/tokens', { name: 'ci' });
  await world.api('POST', '/v1/repositories', { name: 'gone', source: world.repository });
  await until('it is removed', async () => (await world.api('DELETE', '/v1/repositories/gone')).status === 204);
  await world.kill();
  const jobs = await addFinishedJobs(world.home, { repository: 'demo', count: JOBS });
  const damages = [...damageRows(world, jobs), ...damageRuns(world, jobs), ...damageFiles(world)];
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
  assert.equal((body as { items: unknown[] }).items.length, corruption.corrupt);
  await showDamaged(world, jobs);
  const bearer = { authorization: `Bearer ${(token.body as { token: string }).token}` };
  assert.equal(
    (await world.call({ method: 'GET', path: '/v1/jobs', headers: bearer })).status,
    401,
    'a damaged token is refused',
  );
  const doctor = (await world.api('GET', '/v1/doctor?deep=true')).body as { ok: boolean; checks: { detail: string }[] };
  assert.equal(doctor.ok, false);
  const told = doctor.checks.map((check) => check.detail).join('\n');
  for (const { kind, name } of damages) {
    const isAtStart = /-file$|-marker$/.test(kind) || ['jobNumber', 'seq'].includes(name);
    assert.ok(isAtStart || told.includes(name), `doctor --deep does not name ${kind} ${name}`);
  }
  const metrics = String((await world.api('GET', '/metrics')).body);
  assert.match(metrics, /holdfast_corruption_complete 1/);
  assert.match(metrics, new RegExp(`holdfast_quarantine_items ${corruption.corrupt}`));
  await world.kill();
  await world.start();
  const again = await awaitScrub(world);
  assert.deepEqual(
    again.items?.map((item) => item.id).filter((id) => !corruption.items?.some((one) => one.id === id)),
    [],
    'the second start finds the same things, not new ones',
  );
});

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
    { deadlineMs: 300_000 },
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

/** Damages one record of every kind in the database. */
function damageRows(world: World, jobs: readonly Job[]): Damage[] {
  const database = new DatabaseSync(world.home.database);
  database.exec('PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON');
  const id = (n: number): string => jobs[n]?.id ?? '';
  const one = (text: string): string => String(Object.values(database.prepare(text).get() ?? {})[0]);
  const removed = one(`SELECT subject FROM tombstones WHERE subject LIKE 'repo_%'`);
  const last = one('SELECT max(seq) FROM events');
  const statements = [
    `UPDATE jobs SET exit_code = 7 WHERE id = '${id(0)}'`,
    `UPDATE jobs SET limits = '{"wallMs":' WHERE id = '${id(1)}'`,
    `UPDATE jobs SET output_bytes = 4611686018427387904 WHERE id = '${id(2)}'`,
    `UPDATE attempts SET verdict = 'FINISHEE' WHERE job_id = '${id(3)}'`,
    `UPDATE events SET hash = replace(hash, 'a', 'b') WHERE subject = '${id(4)}'`,
    `UPDATE events SET data = replace(data, '{', '[') WHERE subject = '${id(5)}'`,
    `DELETE FROM attempts WHERE job_id = '${id(6)}'`,
    `UPDATE prompts SET body = body || '!' WHERE sha256 = '${jobs[7]?.promptSha256}'`,
    `UPDATE boots SET report = '{"bootId'`,
    `UPDATE tokens SET name = 'root'`,
    `UPDATE tombstones SET removed_at = removed_at + 1 WHERE subject = '${removed}'`,
    `UPDATE counters SET value = value + 3 WHERE name = 'state:completed'`,
    `UPDATE counters SET value = 2 WHERE name = 'jobNumber'`,
    `UPDATE counters SET value = ${last} - 1 WHERE name = 'seq'`,
    `INSERT INTO locks (key, boot, holder, operation, job_id, acquired_at, fence)
       VALUES ('repo:demo2', 'boot_x', '{"pid":', 'op_x', NULL, 1, 1)`,
  ];
  for (const statement of statements) database.exec(statement);
  const boot = one('SELECT id FROM boots');
  const tokenId = one('SELECT id FROM tokens');
  database.close();
  return [
    ...[0, 1, 2, 3, 4, 5, 6].map((n) => ({ kind: 'job', name: id(n) })),
    { kind: 'prompt', name: jobs[7]?.promptSha256 ?? '' },
    { kind: 'boot', name: boot },
    { kind: 'token', name: tokenId },
    { kind: 'tombstone', name: removed },
    { kind: 'counter', name: 'completed' },
    { kind: 'counter', name: 'jobNumber' },
    { kind: 'counter', name: 'seq' },
    { kind: 'lock', name: 'repo:demo2' },
  ];
}

/** Damages one file of every kind in run directories. */
function damageRuns(world: World, jobs: readonly Job[]): Damage[] {
  const kinds = ['spec', 'claim', 'agent', 'exit', 'limits', 'sentinel', 'output'] as const;
  const damages = kinds.map((kind, n) => {
    const job = jobs[20 + n]?.id ?? '';
    const path = join(world.home.runDirectory(job, 1), RUN_FILES[kind]);
    const bytes = readFileSync(path);
    const at = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
    writeFileSync(path, bytes);
    return { kind, name: join(job, 'attempts', '1', RUN_FILES[kind]) };
  });
  const [cut, missing, gone] = [jobs[30]?.id ?? '', jobs[31]?.id ?? '', jobs[32]?.id ?? ''];
  truncateSync(join(world.home.runDirectory(cut, 1), RUN_FILES.output), 3);
  rmSync(join(world.home.runDirectory(missing, 1), RUN_FILES.exit));
  rmSync(world.home.runDirectory(gone, 1), { recursive: true });
  return [
    ...damages,
    { kind: 'output', name: cut },
    { kind: 'exit', name: missing },
    { kind: 'run-directory', name: gone },
  ];
}

/** Damages the files of the home itself. */
function damageFiles(world: World): Damage[] {
  const { hostFile, tokenFile, serverFile, startMarker } = world.home;
  const flip = (path: string, at: number): void => {
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(path, bytes);
  };
  flip(hostFile, 9);
  flip(tokenFile, 12);
  writeFileSync(serverFile, '{"url":');
  writeFileSync(startMarker, 'no JSON');
  return [
    { kind: 'host-file', name: 'host' },
    { kind: 'token-file', name: 'token' },
    { kind: 'server-file', name: 'server.json' },
  ];
}
