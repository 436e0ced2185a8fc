import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { Home } from '../lifecycle/home.ts';
import type { Repository } from '../lifecycle/repository.ts';
import type { Store } from '../store/store.ts';
import { readMirrorBase } from '../workspace/mirror-base.ts';
import { updateMirror, type FetchLimits } from '../workspace/mirror.ts';
import { askSource } from './ask-source.ts';
import type { SourceWatch } from './source-watch.ts';

/** What fetching needs of this server. */
export interface FetchContext {
  store: Store;
  home: Home;
  sources: SourceWatch;
  limits: FetchLimits;
  /** Counts, for the metrics: a fetch that was done, or one that was spared. */
  count: (what: 'fetched' | 'shared') => void;
}

export interface FetchRequest {
  repository: Repository;
  /** The job that needs it and its place in the queue; null for the first clone, which nobody waits for. */
  job: { id: string; queueSeq: number } | null;
  /** HOLDFAST_OP of git. */
  operation: string;
  signal: AbortSignal;
}

/**
 * Returns the commit a job starts from. Its need is a fetch that began after it was queued; one that another job of its
 * batch did meanwhile meets it, and the source is not asked again. The caller holds the repository's lock, so whoever
 * comes next finds what this one fetched, or that it died and did not. Throws `source-silent`, after the pause before
 * the next try is recorded, `source-unreachable`, and what `updateMirror` throws.
 */
export async function fetchBase(ctx: FetchContext, request: FetchRequest): Promise<string> {
  const { repository, job } = request;
  const shared = job === null ? null : await findFetched(ctx, repository, job.queueSeq);
  if (shared !== null) {
    ctx.count('shared');
    return shared;
  }
  const { trouble } = (await ctx.store.getRepository(repository.name)) ?? repository;
  // Whoever held the lock before us has just found out: asking again at once would only hold up the others.
  if (trouble !== null && trouble.retryAt !== null) throw fail('source-silent', trouble.why);
  const through = await ctx.store.getLastPlace();
  const base = await fetch(ctx, request);
  ctx.count('fetched');
  await ctx.store.recordBatch({ repository: repository.name, jobId: job?.id ?? null, through, actor: 'attempts' });
  failpoint('mirror.after-batch');
  if (trouble !== null) await ctx.sources.reportAnswer(repository.name);
  return base;
}

async function findFetched(ctx: FetchContext, repository: Repository, queueSeq: number): Promise<string | null> {
  const batch = await ctx.store.getNewestBatch(repository.id);
  if (batch === null || batch.through < queueSeq) return null;
  return readMirrorBase({ mirrorDir: ctx.home.mirror(repository.id), base: repository.base });
}

async function fetch(ctx: FetchContext, { repository, operation, signal }: FetchRequest): Promise<string> {
  // takeover: the lock is ours, and whoever held it before is finished or was verified dead by recovery.
  const request = {
    mirrorDir: ctx.home.mirror(repository.id),
    source: repository.source,
    sourceKind: repository.sourceKind,
    base: repository.base,
    op: operation,
    takeover: true,
    limits: ctx.limits,
    signal,
  };
  const mirror = await askSource(ctx.sources, { repository, signal }, () => updateMirror(request));
  return mirror.head;
}
