/**
 * Acts on orphans that were named, and on nothing else. Intent, act, record: each action is a row of its own that is
 * committed before anything is touched; what a crash cuts off is done again by the next start, if it is still found.
 */
import { dirname, join } from 'node:path';
import type { AttemptContext } from '../../attempts/context.ts';
import { endOperation, endProcesses, endStrays } from '../../keeper/processes.ts';
import { endRegistered } from '../../keeper/registered-process.ts';
import { readRunOwner } from '../../keeper/run-directory.ts';
import { removeDurable } from '../../kernel/durable.ts';
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { messageOf } from '../../kernel/result.ts';
import type { Orphan, OrphanKind } from '../../lifecycle/orphan.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import { discardWorkspace } from '../../workspace/discard-workspace.ts';
import { removeTree } from '../../workspace/remove-tree.ts';
import { deleteRefs, rescueWorkspace } from '../../workspace/rescue.ts';
import type { ResourceKeeper } from '../resource-keeper.ts';

/** How it went with one that was named. */
export interface RepairOutcome {
  id: string;
  /** Null when nothing of that id is found. */
  orphan: Orphan | null;
  /** `would` in a dry run, `gone` when it is not found (any more), `refused` when it is not provably ours. */
  outcome: 'would' | 'done' | 'gone' | 'refused' | 'failed';
  detail: string;
}

/** Why nothing may be done about it, or null. */
export function whyRefused(orphan: Orphan): string | null {
  if (!orphan.ours) return `not provably ours: ${orphan.why}`;
  return orphan.action === 'none' ? `there is nothing to do about it here: ${orphan.note}` : null;
}

/** Carries the action of one orphan out, recorded before and after. Never throws for what goes wrong with the action. */
export async function repairOrphan(
  ctx: AttemptContext,
  resources: ResourceKeeper,
  what: { orphan: Orphan; actor: string },
): Promise<RepairOutcome> {
  const { orphan, actor } = what;
  const { id, kind, action } = orphan;
  const target = [orphan.path, orphan.identity].filter((one) => one !== null).join(' ');
  const repair = await ctx.store.intendRepair({ orphanId: id, kind, target, action, actor });
  failpoint('orphan.after-intent');
  let note: string | null;
  try {
    note = await act(ctx, { orphan, resources, op: `${repair.id}.repair` });
  } catch (error) {
    const why = messageOf(error).slice(0, 500);
    await ctx.store.endRepair({ id: repair.id, transition: 'fail', note: why });
    ctx.log.warn(`${kind} ${target} is left: ${why}`);
    return { id, orphan, outcome: 'failed', detail: why };
  }
  failpoint('orphan.after-act');
  await ctx.store.endRepair({ id: repair.id, transition: 'finish', note });
  failpoint('orphan.after-record');
  ctx.log.info(`${action} of ${kind} ${target}: done`, { orphan: id });
  return { id, orphan, outcome: 'done', detail: note ?? 'done' };
}

interface Acting {
  orphan: Orphan;
  resources: ResourceKeeper;
  op: string;
}

/** Does it; can be repeated. Returns what a person should know. */
async function act(ctx: AttemptContext, acting: Acting): Promise<string | null> {
  const { orphan, op } = acting;
  switch (orphan.action) {
    case 'remove':
      return removeFiles(ctx, orphan, op);
    case 'save-and-remove':
      return saveAndRemove(ctx, orphan, op);
    case 'delete-refs':
      return `deleted ${(await deleteRefs(pathOf(orphan), orphan.identity ?? '', op)).join(', ')}`;
    case 'end-processes':
      return endFound(orphan);
    case 'release-lock':
      return releaseLock(ctx, orphan);
    case 'remove-resource':
      return removeResource(ctx, acting);
    case 'none':
      throw fail('state-conflict', 'there is nothing to do about it');
  }
}

function pathOf({ id, path }: Orphan): string {
  if (path === null) throw fail('internal', `${id} has no path`);
  return path;
}

async function removeFiles(ctx: AttemptContext, orphan: Orphan, op: string): Promise<null> {
  const path = pathOf(orphan);
  if (orphan.kind === 'staging') return removeStaged(ctx, orphan, op);
  if (OF_STAGES.has(orphan.kind)) return removeOfStage(ctx, orphan, op);
  if (orphan.kind === 'temp-file') await removeDurable(path);
  else if (dirname(path) === ctx.home.removals) await removeTree(path, op);
  else await discardWorkspace({ workspaceDir: path, removalsDir: ctx.home.removals, op });
  return null;
}

/** A request that records it may be under way: in turn with those, and only if no row names it now. */
function removeStaged(ctx: AttemptContext, orphan: Orphan, op: string): Promise<null> {
  const path = pathOf(orphan);
  const { home, store, jobFiles } = ctx;
  const jobId = orphan.jobId ?? '';
  return jobFiles.run(jobId, async () => {
    const files = await store.listJobFiles(jobId);
    const staging = home.staging(jobId);
    const isNamed = files.some(({ sha256, name }) => `${join(staging, sha256, name)}/`.startsWith(`${path}/`));
    const isDue = path.startsWith(`${staging}/`) || (await store.getJob(jobId)) === null;
    if (isNamed || !isDue) throw fail('state-conflict', 'a row names it');
    await discardWorkspace({ workspaceDir: path, removalsDir: home.removals, op });
    return null;
  });
}

/** What a stage left: none of it is taken up again once the job has ended, unless somebody takes that back. */
const OF_STAGES: ReadonlySet<OrphanKind> = new Set(['evidence', 'stage-home', 'stage-copy']);

/** In turn with a claim of the job: one that is retried makes its workspace here first, and then finds nothing of it. */
function removeOfStage(ctx: AttemptContext, orphan: Orphan, op: string): Promise<null> {
  const path = pathOf(orphan);
  const { home, store, jobFiles } = ctx;
  const jobId = orphan.jobId ?? '';
  return jobFiles.run(jobId, async () => {
    const job = await store.getJob(jobId);
    if (job !== null && !isTerminal(job.state)) throw fail('state-conflict', `job ${job.number} goes on`);
    const rows = job === null || orphan.kind !== 'evidence' ? [] : await store.listEvidence(jobId);
    if (rows.some(({ sha256 }) => path === join(home.evidence(jobId), sha256)))
      throw fail('state-conflict', 'a row names it');
    await discardWorkspace({ workspaceDir: path, removalsDir: home.removals, op });
    return null;
  });
}

/** Nothing of the work in it may be lost: what cannot be saved is not removed. */
async function saveAndRemove(ctx: AttemptContext, orphan: Orphan, op: string): Promise<string> {
  const path = pathOf(orphan);
  const repositories = await ctx.store.listRepositories();
  const refs = await rescueWorkspace({
    workspaceDir: join(path, 'workspace'),
    mirrors: repositories.map(({ id }) => ctx.home.mirror(id)),
    ref: `refs/holdfast/${orphan.jobId ?? 'unknown'}/rescued`,
    message: `Work found in ${orphan.jobId ?? path}, which no job has`,
    op,
  });
  await discardWorkspace({ workspaceDir: path, removalsDir: ctx.home.removals, op });
  return refs.length === 0 ? 'there was no repository in its workspace' : `its work is saved as ${refs.join(', ')}`;
}

/** Ends what carries this very token, or holds this very claim, and nothing else. */
async function endFound(orphan: Orphan): Promise<string> {
  const [kind = '', name = ''] = (orphan.identity ?? '').split(' ');
  if (kind === 'keeper') {
    const owner = await readRunOwner(pathOf(orphan));
    if (owner === null || owner.attempt !== name || owner.keeper === null) return 'it is gone';
    await endStrays({ attempt: name });
    return (await endRegistered(owner.keeper)) ? 'ended' : 'it is gone';
  }
  const { ended, left } =
    kind === 'attempt'
      ? await endStrays({ attempt: name })
      : await endProcesses((scan) => scan.operations.get(name) ?? []);
  if (left.length > 0) throw fail('state-conflict', `process ${left.map(({ pid }) => pid).join(', ')} does not end`);
  return `ended ${ended}`;
}

async function releaseLock(ctx: AttemptContext, orphan: Orphan): Promise<string> {
  const lock = (await ctx.store.listLocks()).find((one) => one.key === orphan.identity && one.boot !== ctx.boot);
  if (lock === undefined) return 'it is gone';
  const { left } = await endOperation(lock.operation);
  if (left.length > 0) throw fail('state-conflict', `processes of ${lock.operation} do not end`);
  await ctx.store.releaseLock(lock.key, lock.fence, ctx.boot);
  return 'released';
}

async function removeResource(ctx: AttemptContext, { orphan, resources }: Acting): Promise<string> {
  const resource = await ctx.store.getResource(orphan.identity ?? '');
  if (resource === null || resource.state === 'removed') return 'it is gone';
  const { state, note } = await resources.remove(resource, 'repair');
  if (state !== 'removed') throw fail('resource-failed', note ?? state);
  return note ?? 'removed';
}
