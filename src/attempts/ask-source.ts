/** Whatever talks to the source of a repository, and what it means when that does not answer. */
import type { Repository } from '../lifecycle/repository.ts';
import { isError } from '../kernel/errors.ts';
import { sourceFailure } from '../workspace/source-failure.ts';
import type { SourceWatch } from './source-watch.ts';

/**
 * Returns what `work` answers. Throws `source-silent`, after the pause before the next try is recorded: until then nothing
 * that needs this source is claimed. Throws `source-unreachable` where somebody has to act first, and all else as it is.
 */
export async function askSource<T>(
  sources: SourceWatch,
  { repository, signal }: { repository: Repository; signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = signal.aborted ? null : sourceFailure(error, repository.source);
    if (failure === null) throw error;
    if (isError(failure, 'source-silent')) await sources.reportSilent(repository.name, failure.detail);
    throw failure;
  }
}
