/** Looks for orphans when asked, repairs those that are named, and once after a start what a start may do by itself. */
import type { AttemptContext } from '../attempts/context.ts';
import type { Orphan, OrphanKind } from '../lifecycle/orphan.ts';
import { ORPHAN_KINDS } from '../lifecycle/orphan.ts';
import { repairOrphan, whyRefused, type RepairOutcome } from './orphans/repair.ts';
import { scanOrphans } from './orphans/scan.ts';
import type { ResourceKeeper } from './resource-keeper.ts';

export interface OrphanList {
  items: Orphan[];
  /** How many there are of each kind, those beyond `items` included. */
  counts: Record<OrphanKind, number>;
  /** How many there are in all, and how many of those are provably ours. */
  total: number;
  ours: number;
}

export interface OrphanKeeper {
  /** Looks, and returns at most `limit` findings. Changes nothing. */
  list(limit: number): Promise<OrphanList>;
  /** Acts on these ids, or says what it would do. */
  repair(request: { ids: readonly string[]; dryRun: boolean; actor: string }): Promise<RepairOutcome[]>;
  /**
   * Once after a start: temp files of a crash, what was sent and never recorded, and repairs that one cut off. Returns
   * what is then left, and what was sent and is removed.
   */
  settle(limit: number): Promise<OrphanList & { unrecorded: Orphan[] }>;
  /** Removes what was sent and never recorded, older than a day at `now`; returns how much. */
  sweepStaging(now: number): Promise<number>;
}

/** What a start removes without being asked: nobody's work is in it. */
const BY_ITSELF: ReadonlySet<OrphanKind> = new Set(['temp-file', 'staging', 'stage-home', 'stage-copy']);

function beginList(): OrphanList {
  const counts = Object.fromEntries(ORPHAN_KINDS.map((kind) => [kind, 0])) as Record<OrphanKind, number>;
  return { items: [], counts, total: 0, ours: 0 };
}

function noteOrphan(found: OrphanList, orphan: Orphan, limit: number): void {
  found.counts[orphan.kind] += 1;
  found.total += 1;
  if (orphan.ours) found.ours += 1;
  if (found.items.length < limit) found.items.push(orphan);
}

/** Returns the keeper of orphans; `signal` ends a look when the server stops. */
export function createOrphanKeeper(ctx: AttemptContext, resources: ResourceKeeper, signal: AbortSignal): OrphanKeeper {
  // One repair at a time: two of the same would meet in the middle.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  };

  const find = async (ids: ReadonlySet<string>): Promise<Map<string, Orphan>> => {
    const found = new Map<string, Orphan>();
    for await (const orphan of scanOrphans(ctx, signal)) if (ids.has(orphan.id)) found.set(orphan.id, orphan);
    return found;
  };

  return {
    async list(limit) {
      const found = beginList();
      for await (const orphan of scanOrphans(ctx, signal)) noteOrphan(found, orphan, limit);
      return found;
    },
    repair: ({ ids, dryRun, actor }) =>
      inTurn(async () => {
        const found = await find(new Set(ids));
        const outcomes: RepairOutcome[] = [];
        for (const id of new Set(ids)) {
          const orphan = found.get(id) ?? null;
          const answer = answerWithoutActing(id, orphan, dryRun);
          if (answer !== null || orphan === null) outcomes.push(answer ?? sayGone(id));
          else outcomes.push(await repairOrphan(ctx, resources, { orphan, actor }));
        }
        return outcomes;
      }),
    settle: (limit) =>
      inTurn(async () => {
        const open = new Map((await ctx.store.listOpenRepairs()).map((repair) => [repair.orphanId, repair]));
        const found = beginList();
        const unrecorded: Orphan[] = [];
        for await (const orphan of scanOrphans(ctx, signal)) {
          const begun = open.get(orphan.id);
          open.delete(orphan.id);
          const isDue = begun !== undefined || BY_ITSELF.has(orphan.kind);
          const outcome =
            isDue && whyRefused(orphan) === null
              ? await repairOrphan(ctx, resources, { orphan, actor: begun?.actor ?? 'server' })
              : null;
          if (outcome?.outcome !== 'done') noteOrphan(found, orphan, limit);
          else if (orphan.kind === 'staging' && unrecorded.length < limit) unrecorded.push(orphan);
        }
        // What is not found any more was done before the crash could be recorded.
        for (const { id } of open.values()) {
          await ctx.store.endRepair({ id, transition: 'finish', note: 'done before a crash, found gone after it' });
        }
        return { ...found, unrecorded };
      }),
    sweepStaging: (now) => inTurn(() => sweepStaging(ctx, resources, scanOrphans(ctx, signal, now))),
  };
}

async function sweepStaging(
  ctx: AttemptContext,
  resources: ResourceKeeper,
  found: AsyncIterable<Orphan>,
): Promise<number> {
  let removed = 0;
  for await (const orphan of found) {
    if (orphan.kind !== 'staging' || whyRefused(orphan) !== null) continue;
    const { outcome } = await repairOrphan(ctx, resources, { orphan, actor: 'retention' });
    if (outcome === 'done') removed += 1;
  }
  return removed;
}

function sayGone(id: string): RepairOutcome {
  return { id, orphan: null, outcome: 'gone', detail: 'nothing of this id is found (any more)' };
}

/** What there is to say about one that is not acted on, or null. */
function answerWithoutActing(id: string, orphan: Orphan | null, dryRun: boolean): RepairOutcome | null {
  if (orphan === null) return sayGone(id);
  const why = whyRefused(orphan);
  if (why !== null) return { id, orphan, outcome: 'refused', detail: why };
  return dryRun ? { id, orphan, outcome: 'would', detail: sayAction(orphan) } : null;
}

function sayAction({ action, kind, path, identity }: Orphan): string {
  const target = path ?? identity ?? '';
  switch (action) {
    case 'remove':
      return `remove ${target}`;
    case 'save-and-remove':
      return `save the work in ${target} to a ref, then remove it`;
    case 'delete-refs':
      return `delete every ref below ${identity ?? ''}`;
    case 'end-processes':
      return `end the processes of ${identity ?? ''}`;
    case 'release-lock':
      return `release the lock ${identity ?? ''}`;
    case 'remove-resource':
      return `remove the resource ${identity ?? ''}`;
    case 'none':
      return `nothing about this ${kind}`;
  }
}
