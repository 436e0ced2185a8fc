import type { RegisterRepository } from '../api/services.ts';
import { fetchBase, type FetchContext } from '../attempts/fetch-base.ts';
import type { RepositoryLocks } from '../attempts/repository-lock.ts';
import { fail } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import { DEFAULT_REPOSITORY_CONCURRENCY, type CreationRequest, type Repository } from '../lifecycle/repository.ts';
import type { Store } from '../store/store.ts';
import { inspectSource } from '../workspace/source.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export interface RepositoryKeeper {
  register(input: RegisterRepository): Promise<{ repository: Repository; replayed: boolean }>;
  /** Makes mirrors that an earlier server registered but did not finish, in the background. */
  resumeClones(): Promise<void>;
}

/** Returns what registers repositories and makes their first mirror; `signal` ends its background work. */
export function createRepositoryKeeper(options: {
  fetching: FetchContext;
  locks: RepositoryLocks;
  log: Log;
  signal: AbortSignal;
}): RepositoryKeeper {
  const { fetching, log } = options;
  const { store } = fetching;

  const clone = async (repository: Repository): Promise<void> => {
    try {
      await store.updateRepository(repository.name, { cloneState: 'cloning' }, 'server');
      const operation = `${repository.id}.clone`;
      const request = { repository: repository.name, operation, jobId: null, signal: options.signal };
      await options.locks.withLock(request, () =>
        fetchBase(fetching, { repository, job: null, operation, signal: options.signal }),
      );
      await store.updateRepository(repository.name, { cloneState: 'ready' }, 'server');
    } catch (error) {
      if (options.signal.aborted) return;
      log.warn(`the mirror of ${repository.name} could not be made: ${messageOf(error)}`);
      await store.updateRepository(repository.name, { cloneState: 'failed' }, 'server').catch(() => undefined);
    }
  };

  return {
    async register(input) {
      // A repetition finds what the first one made, also when the source does not answer any more.
      const first = await findRegistered(store, input.request ?? null);
      if (first !== null) return { repository: first, replayed: true };
      const source = await inspectSource(input.source, input.base === undefined ? {} : { base: input.base });
      const name = input.name ?? source.name;
      if (!NAME.test(name)) throw fail('bad-name', `"${name}" cannot name a repository`);
      const added = await store.addRepository({
        name,
        source: source.source,
        sourceKind: source.kind,
        base: source.base,
        verify: input.verify ?? [],
        merge: input.merge ?? false,
        pipeline: input.pipeline ?? null,
        push: input.push ?? null,
        trusted: input.trusted ?? false,
        concurrency: input.concurrency ?? DEFAULT_REPOSITORY_CONCURRENCY,
        command: input.command ?? null,
        request: input.request ?? null,
      });
      if (!added.replayed) void clone(added.repository);
      return added;
    },
    async resumeClones() {
      for (const repository of await store.listRepositories()) {
        if (repository.cloneState === 'cloning' || repository.cloneState === 'registered') void clone(repository);
      }
    },
  };
}

async function findRegistered(store: Store, request: CreationRequest | null): Promise<Repository | null> {
  if (request === null) return null;
  const { principal, key, sha256 } = request;
  const isSame = (other: CreationRequest | null): boolean =>
    other?.principal === principal && other.key === key && other.sha256 === sha256;
  return (await store.listRepositories()).find((one) => isSame(one.request)) ?? null;
}
