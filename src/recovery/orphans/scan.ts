/**
 * The look for everything that belongs to nothing any more: files, refs, processes, locks, resources. It reads and
 * changes nothing, and it streams: what it costs at once does not grow with the home.
 */
import { join } from 'node:path';
import type { AttemptContext } from '../../attempts/context.ts';
import { isAlive } from '../../keeper/host-identity.ts';
import { scanProcesses } from '../../keeper/processes.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';
import { findInJobs } from './find-in-jobs.ts';
import { findInRepositories } from './find-in-repositories.ts';
import { findRunning } from './find-running.ts';
import { ageOf, describeOrphan, findTemps, listEntries, lookAt, type Look } from './look.ts';

/** Yields every finding, in an order that stays the same. */
export async function* scanOrphans(
  ctx: AttemptContext,
  signal: AbortSignal,
  now = ctx.clock.now(),
): AsyncGenerator<Orphan> {
  const due = new Set(await ctx.store.listRemovals());
  const look: Look = { ctx, now, processes: scanProcesses(), due, signal };
  const { root } = ctx.home;
  yield* findTemps(look, { directory: root, entries: await listEntries(root) });
  yield* findInRemovals(look);
  yield* findInJobs(look);
  yield* findInRepositories(look);
  yield* findRunning(look);
  yield* findLocks(look);
  yield* findResources(look);
}

/** What was moved aside to be deleted and still lies there. */
async function* findInRemovals(look: Look): AsyncGenerator<Orphan> {
  const { removals } = look.ctx.home;
  for (const entry of await listEntries(removals)) {
    const path = join(removals, entry.name);
    const stat = await lookAt(path);
    if (stat === null) continue;
    const ours = /^[\w.-]+~[0-9a-f]{12}$/.test(entry.name);
    const why = ours ? 'Holdfast moved it here to delete it' : 'it does not have the name of a removal';
    const note = 'a removal that was not finished';
    yield describeOrphan(look, { kind: 'removal', path, ageMs: ageOf(look, stat), ours, why, action: 'remove', note });
  }
}

/** Locks of earlier starts: recovery leaves those whose children it could not end. */
async function* findLocks(look: Look): AsyncGenerator<Orphan> {
  const { ctx, processes, now } = look;
  for (const lock of await ctx.store.listLocks()) {
    if (lock.boot === ctx.boot) continue;
    const children = [...processes.operations].filter(([operation]) => operation.startsWith(lock.operation));
    const alive = isAlive(lock.holder) || children.some(([, members]) => members.some((one) => isAlive(one)));
    yield describeOrphan(look, {
      kind: 'lock',
      identity: lock.key,
      jobId: lock.jobId,
      ageMs: Math.max(0, now - lock.acquiredAt),
      ours: true,
      why: `it was taken by the earlier start ${lock.boot}`,
      action: alive ? 'none' : 'release-lock',
      note: alive ? `processes of ${lock.operation} live` : `nothing of its holder ${lock.operation} lives`,
    });
  }
}

async function* findResources(look: Look): AsyncGenerator<Orphan> {
  for (const resource of await look.ctx.store.listDueResources()) {
    if (resource.state !== 'failed') continue;
    yield describeOrphan(look, {
      kind: 'resource',
      identity: resource.id,
      jobId: resource.jobId,
      ageMs: Math.max(0, look.now - resource.registeredAt),
      ours: true,
      why: 'it was registered by a job that has ended',
      action: 'remove-resource',
      note: `${resource.kind} ${resource.target}: ${resource.note ?? ''}`,
    });
  }
}
