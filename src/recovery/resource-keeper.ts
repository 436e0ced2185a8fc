/**
 * Keeps the promise that nothing a job made outlives it: registers external resources by identity and removes them by
 * that when the job has ended, or at the next start. Intent, act, record: `removing` is committed before anything is
 * touched, and a removal that a crash cut off is begun again.
 */
import type { AttemptContext } from '../attempts/context.ts';
import { endOperation } from '../keeper/processes.ts';
import { fail, isError } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import type { Job } from '../lifecycle/job.ts';
import type { CreationRequest } from '../lifecycle/repository.ts';
import type { Resource, ResourceKind } from '../lifecycle/resource.ts';
import { isActive, isTerminal, type JobState } from '../lifecycle/transitions.ts';
import type { JournalEvent } from '../store/store.ts';
import { resourceOperation, type ResourceAdapter } from './resource-kinds.ts';

/** How much older than its job something may look: engines and the kernel round their times, milliseconds. */
const AGE_TOLERANCE_MS = 2000;

export interface RegisterResource {
  job: Job;
  kind: ResourceKind;
  target: string;
  principal: string;
  /** The job's own token asks: it may only name what was made since the job was accepted. */
  byJob: boolean;
  /** What a repetition is known by; null without a key. */
  request?: CreationRequest | null;
}

export interface ResourceKeeper extends Service {
  register(input: RegisterResource): Promise<Resource>;
  /** Removes it now; returns it as `removed`, or as `failed` with the reason. */
  remove(resource: Resource, actor: string): Promise<Resource>;
  /** Begins what is due, in the background. */
  sweep(): Promise<void>;
}

/** Returns what looks after the resources of this server's jobs. */
export function createResourceKeeper(
  ctx: AttemptContext,
  kinds: Record<ResourceKind, ResourceAdapter>,
): ResourceKeeper {
  const running = new Map<string, Promise<Resource>>();
  let unsubscribe: (() => void) | null = null;
  let stopped = false;

  /** One removal of a resource at a time; a second caller gets the result of the first. */
  const removeOnce = (resource: Resource, options: { actor: string; onlyEnded: boolean }): Promise<Resource> => {
    const known = running.get(resource.id);
    if (known !== undefined) return known;
    const removal = removeResource(ctx, kinds[resource.kind], { resource, ...options }).finally(() =>
      running.delete(resource.id),
    );
    running.set(resource.id, removal);
    return removal;
  };

  const cleanUp = async (resources: readonly Resource[]): Promise<void> => {
    for (const resource of resources) {
      if (stopped) return;
      try {
        await removeOnce(resource, { actor: 'server', onlyEnded: resource.state !== 'removing' });
      } catch (error) {
        // A job that was queued again keeps its resources until its next end.
        if (stopped || isError(error, 'state-conflict')) continue;
        ctx.log.error(`the ${resource.kind} ${resource.target} is left to the next start: ${messageOf(error)}`, {
          job: resource.jobId,
        });
      }
    }
  };

  const hear = (events: JournalEvent[]): void => {
    for (const { kind, jobId, data } of events) {
      if (jobId === null || !kind.startsWith('job.') || !isTerminal(data['state'] as JobState)) continue;
      listOpen(ctx, jobId)
        .then(cleanUp)
        .catch((error: unknown) => ctx.log.warn(`resources of ${jobId}: ${messageOf(error)}`, { job: jobId }));
    }
  };

  return {
    async start() {
      stopped = false;
      unsubscribe ??= ctx.store.onCommit(hear);
    },
    async stop() {
      stopped = true;
      unsubscribe?.();
      unsubscribe = null;
    },
    register: (input) => registerResource(ctx, kinds[input.kind], input),
    async remove(resource, actor) {
      await refuseAtWork(ctx, resource);
      return removeOnce(resource, { actor, onlyEnded: false });
    },
    async sweep() {
      await cleanUp(await ctx.store.listDueResources());
    },
  };
}

/** A living agent could swap a directory for a link between our look and the rename; it can remove its own files itself. */
async function refuseAtWork(ctx: AttemptContext, { kind, jobId }: Resource): Promise<void> {
  const job = kind === 'path' ? await ctx.store.getJob(jobId) : null;
  if (job !== null && isActive(job.state)) {
    throw fail('state-conflict', `job ${job.number} is at work: its paths are removed when it has ended`);
  }
}

async function registerResource(
  ctx: AttemptContext,
  adapter: ResourceAdapter,
  input: RegisterResource,
): Promise<Resource> {
  const { job, kind, target, principal, request = null } = input;
  if (isTerminal(job.state)) throw fail('state-conflict', `job ${job.number} has ended`);
  const { facts, identity, madeAt } = await adapter.identify(job, target);
  // An agent may reach things through the server that it could not touch itself: only what came after its job.
  if (input.byJob && kind !== 'path' && (madeAt === null || madeAt + AGE_TOLERANCE_MS < job.createdAt)) {
    throw fail('resource-refused', `the ${kind} "${target}" is older than the job`, {
      hint: 'An operator may register it with `holdfast resource add --job`.',
    });
  }
  const resource = await ctx.store.addResource({ jobId: job.id, kind, target, facts, identity, principal, request });
  failpoint('resource.after-register');
  return resource;
}

async function removeResource(
  ctx: AttemptContext,
  adapter: ResourceAdapter,
  what: { resource: Resource; actor: string; onlyEnded: boolean },
): Promise<Resource> {
  const { resource, actor, onlyEnded } = what;
  const { id } = resource;
  await ctx.store.moveResource({ id, transition: 'begin', note: null, actor, onlyEnded });
  failpoint('resource.after-intent');
  let removed: boolean;
  try {
    if (resource.tries > 0) await endEarlierTries(id);
    removed = await adapter.remove(resource);
  } catch (error) {
    const note = messageOf(error).slice(0, 500);
    ctx.log.warn(`the ${resource.kind} ${resource.target} is not removed yet: ${note}`, { job: resource.jobId });
    return ctx.store.moveResource({ id, transition: 'fail', note, actor });
  }
  failpoint('resource.after-removal');
  const note = removed ? null : 'it was gone already';
  const ended = await ctx.store.moveResource({ id, transition: 'finish', note, actor });
  failpoint('resource.after-record');
  ctx.log.info(`removed the ${resource.kind} ${resource.target}`, { job: resource.jobId, resource: id });
  return ended;
}

/** What a killed server had started to remove it is verified dead before another one begins. */
async function endEarlierTries(id: string): Promise<void> {
  const { left } = await endOperation(resourceOperation(id));
  if (left.length > 0) throw fail('resource-failed', `process ${left[0]?.pid} of an earlier try does not end`);
}

async function listOpen(ctx: AttemptContext, jobId: string): Promise<Resource[]> {
  const open: Resource[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { items: Resource[]; nextCursor: string | null } = await ctx.store.listResources({
      jobId,
      cursor,
      limit: 200,
    });
    open.push(...page.items.filter((one) => one.state !== 'removed'));
    cursor = page.nextCursor;
  }
  return open;
}
