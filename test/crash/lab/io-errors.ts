/**
 * Fails durable operations of whole servers and keepers, once and from then on: nothing may be promised that is not kept,
 * a failed flush of the database ends the server, and all is well again once the disk is.
 */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { until, within } from '../../support/poll.ts';
import type { ServerProcess, World } from '../../support/world.ts';
import { checkInvariants } from '../invariants.ts';
import type { KillPoint } from './kill-points.ts';
import type { Operation } from './operation-log.ts';
import { actUntilDeath, createTrial, type Scenario, type Template, type Trial } from './scenario.ts';
import { formatFault, type Fault } from './shim.ts';
import { readOperations, startWatched } from './watched-world.ts';

const { ENOSPC, EIO, EMFILE, EROFS } = constants.errno;
/** What a disk answers to which operation. */
const ERRORS: Partial<Record<Operation['op'], readonly number[]>> = {
  open: [ENOSPC, EIO, EMFILE],
  write: [ENOSPC, EIO],
  fsync: [EIO, ENOSPC],
  fdatasync: [EIO],
  rename: [ENOSPC, EIO],
  link: [ENOSPC, EIO],
  mkdir: [ENOSPC, EIO],
};

/** Returns the failures of a scenario: every kind of operation on every path, once and lasting, from its first and from a later one. */
export function listFailures(points: readonly KillPoint[]): KillPoint[] {
  const last = new Map<string, KillPoint>();
  for (const point of points) {
    if (point.fault.when === 'before') last.set(`${point.role} ${point.fault.op} ${point.fault.path}`, point);
  }
  return [...last.values()].flatMap((point) => {
    const { op, occurrence } = point.fault;
    const from = occurrence === 1 ? [1] : [1, Math.ceil(occurrence / 2)];
    return (ERRORS[op as Operation['op']] ?? []).flatMap((errno) =>
      from.flatMap((first) =>
        (['error', 'errors'] as const).map((when) => ({
          ...point,
          fault: { ...point.fault, when, errno, occurrence: first },
        })),
      ),
    );
  });
}

/** Every so many-th operation of a server is the first one that a whole disk refuses. */
const DISK_STRIDE = 7;

/** Returns failures of the whole disk, from an operation of the server on: it can only be read, or is full. */
export function listDiskFailures(points: readonly KillPoint[]): KillPoint[] {
  const operations = points.filter(({ role, fault }) => role === 'server' && fault.when === 'before');
  return operations.flatMap((point, index) =>
    index % DISK_STRIDE === 0
      ? [EROFS, ENOSPC].map((errno) => ({
          ...point,
          fault: { when: 'errors' as const, op: '*', path: '*', occurrence: index + 1, errno },
        }))
      : [],
  );
}

/** How long clients go on after the first failure, milliseconds. */
const FAILING_MS = 1500;

/** Returns false when the operation was not reached. Throws what is wrong. */
export async function tryFailure(template: Template, scenario: Scenario, point: KillPoint): Promise<boolean> {
  await using trial = await createTrial(template, scenario);
  const { world } = trial;
  const server = await startWatched(world, {
    [point.role === 'keeper' ? 'keeper' : 'server']: point.fault,
    waitReady: false,
  });
  const over = new AbortController();
  await Promise.race([actUnderErrors(trial, scenario, server), awaitFailing(world, over.signal)]);
  over.abort();
  if (!hasFailed(world)) return false;
  await checkRefusals(trial, server, point.fault);
  checkAnswers(trial);
  await world.kill();
  await world.start();
  await freeBlocked(trial, point);
  await scenario.settle(trial);
  await checkInvariants(world, { startAgain: false });
  await scenario.check?.(trial);
  return true;
}

/** A broken disk may hold a job up until a person has looked; it says why, and goes on when told to. */
async function freeBlocked(trial: Trial, { role, fault }: KillPoint): Promise<void> {
  const { world } = trial;
  for (const { id } of trial.jobs.values()) {
    if (world.removing.has(id)) continue;
    const job = await until(`job ${id} goes on or is held up`, async () => {
      const found = await world.getJob(id);
      return ['waiting', 'queued', 'preparing', 'running'].includes(found.state) ? null : found;
    });
    if (job.state !== 'blocked') continue;
    if (role === 'server')
      assert.ok([EIO, EROFS].includes(fault.errno), `${job.reason}: ${job.blocker}: what passes needs nobody`);
    assert.match(
      job.blocker ?? '',
      /EIO|I\/O error|EROFS|read-only|keeper\.log/i,
      'the blocker does not say what happened',
    );
    const { status } = await world.api('POST', `/v1/jobs/${id}/retry`);
    assert.equal(status, 200);
  }
}

function hasFailed(world: World): boolean {
  return readOperations(world).some(({ op }) => op === 'E');
}

/** Refused calls are what is wanted here; what they were answered is looked at afterwards. */
async function actUnderErrors(trial: Trial, scenario: Scenario, server: ServerProcess): Promise<void> {
  await actUntilDeath(server, async () => {
    await trial.world.awaitReady(server);
    await scenario.act(trial);
  }).catch(() => undefined);
}

async function awaitFailing(world: World, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !hasFailed(world)) await sleep(100);
  if (!signal.aborted) await sleep(FAILING_MS);
}

const DATABASE = /^\/holdfast\.(db|db-wal|witness)$/;

/** While the database cannot be written nothing is accepted; what it cannot know the outcome of ends the server. */
async function checkRefusals(trial: Trial, server: ServerProcess, fault: Fault): Promise<void> {
  if (!DATABASE.test(fault.path)) return;
  const isUnknown = fault.errno === EIO || fault.op === 'fsync' || fault.op === 'fdatasync';
  if (isUnknown) {
    const { code, signal } = await within('the server to end itself', server.ended, 15_000);
    assert.ok(signal === null && code !== 0, `the server ended with ${code ?? signal}`);
    return;
  }
  if (fault.when !== 'errors') return;
  const before = trial.jobs.size;
  await trial.submit('while failing', 'true').catch(() => undefined);
  assert.equal(trial.jobs.size, before, 'a job was accepted while the database could not be written');
}

/** Whatever went wrong with the disk is told as that. */
function checkAnswers(trial: Trial): void {
  const wrong = trial.answers.filter(({ status }) => status >= 500 && status !== 503 && status !== 507);
  assert.deepEqual(wrong, [], 'failures of the disk were answered as something else');
}

/** Returns the command that tries one failure again. */
export function replayFailure({ scenario, role, fault }: KillPoint): string {
  return `npm run test:crash -- --lab io --scenario ${scenario} --role ${role} --fault '${formatFault(fault)}'`;
}
