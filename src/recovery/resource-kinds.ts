/**
 * One small adapter per kind of external resource: what identifies it when it is registered, and how exactly that is
 * removed. Removing can be repeated at any point.
 */
import type { AttemptContext } from '../attempts/context.ts';
import type { ProcessIdentity } from '../keeper/host-identity.ts';
import { endRegistered, identifyProcess, processAgeMs } from '../keeper/registered-process.ts';
import { readClaim } from '../keeper/run-directory.ts';
import { fail } from '../kernel/errors.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Resource, ResourceFacts, ResourceKind } from '../lifecycle/resource.ts';
import { inspectEngine, removeFromEngine, type Engine, type EngineKind } from '../workspace/container-engine.ts';
import { locateJobPath, removeJobPath, type JobRoots } from '../workspace/job-path.ts';

/** What a registration found. */
export interface Identified {
  facts: ResourceFacts;
  identity: string;
  /** Milliseconds since 1970 when it was made, as far as that is known. */
  madeAt: number | null;
}

export interface ResourceAdapter {
  /** Throws `resource-refused` for what does not exist or may not be registered. */
  identify(job: Job, target: string): Promise<Identified>;
  /** Removes it; returns false when it was gone already. Throws when it may still be there. */
  remove(resource: Resource): Promise<boolean>;
}

/** HOLDFAST_OP of whatever is started to remove a resource. */
export function resourceOperation(id: string): string {
  return `${id}.remove`;
}

/** Returns the adapters. */
export function createResourceKinds(ctx: AttemptContext, engine: Engine): Record<ResourceKind, ResourceAdapter> {
  return {
    container: engineAdapter(engine, 'container'),
    network: engineAdapter(engine, 'network'),
    process: processAdapter(ctx),
    path: pathAdapter(ctx),
  };
}

/** A row whose facts are not of its kind was never written by us: it is not acted on. */
function mismatch({ id, kind }: Resource): Error {
  return fail('record-corrupt', `the facts of resource ${id} are not those of a ${kind}`);
}

function engineAdapter(engine: Engine, kind: EngineKind): ResourceAdapter {
  return {
    async identify(_job, target) {
      const found = await inspectEngine(engine, kind, target);
      if (found === null) throw fail('resource-refused', `the engine has no ${kind} "${target}"`);
      return { facts: { engineId: found.id }, identity: found.id, madeAt: found.createdAt };
    },
    async remove(resource) {
      if (!('engineId' in resource.facts)) throw mismatch(resource);
      return removeFromEngine(engine, { kind, id: resource.facts.engineId, op: resourceOperation(resource.id) });
    },
  };
}

function processAdapter(ctx: AttemptContext): ResourceAdapter {
  return {
    async identify(_job, target) {
      if (!/^[1-9]\d{0,9}$/.test(target)) throw fail('resource-refused', `"${target}" is not the id of a process`);
      const facts = identifyProcess(Number(target), await listKeepers(ctx));
      const { boot, pidns, pid, start } = facts;
      const madeAt = ctx.clock.now() - Math.round(processAgeMs(facts));
      return { facts, identity: `${boot} ${pidns} ${pid} ${start}`, madeAt };
    },
    async remove(resource) {
      if (!('pid' in resource.facts)) throw mismatch(resource);
      return endRegistered(resource.facts);
    },
  };
}

/** Keepers of attempts that have not ended, also those no server has recorded yet. */
async function listKeepers(ctx: AttemptContext): Promise<ProcessIdentity[]> {
  const attempts = await ctx.store.listLiveAttempts();
  const claims = await Promise.all(
    attempts.map(({ jobId, number, id }) => readClaim(ctx.home.runDirectory(jobId, number), id)),
  );
  return [
    ...attempts.flatMap(({ keeper }) => (keeper === null ? [] : [keeper])),
    ...claims.flatMap((claim) => (claim.kind === 'ok' ? [claim.record] : [])),
  ];
}

function pathAdapter(ctx: AttemptContext): ResourceAdapter {
  const rootsOf = (jobId: string): JobRoots => ({
    workspace: ctx.home.workspace(jobId),
    home: ctx.home.agentHome(jobId),
  });
  return {
    async identify(job, target) {
      const facts = await locateJobPath(rootsOf(job.id), target);
      return { facts, identity: `${job.id} ${facts.root} ${facts.path}`, madeAt: null };
    },
    async remove(resource) {
      if (!('root' in resource.facts)) throw mismatch(resource);
      const where = { removalsDir: ctx.home.removals, op: resourceOperation(resource.id) };
      return removeJobPath(rootsOf(resource.jobId), { ...resource.facts, ...where });
    },
  };
}
