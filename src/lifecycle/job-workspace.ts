import { join } from 'node:path';
import type { Home } from './home.ts';
import { repositoriesOf, type JobCore } from './job.ts';

/** Where the copy of one repository of a job lies. */
export interface WorkspacePart {
  repository: string;
  directory: string;
  /** Directory of the part inside the workspace; null where the part is the workspace. */
  prefix: string | null;
}

/**
 * Returns where the copies of a job's repositories lie, in the job's order: one alone is the workspace itself; several
 * are side by side in it under their names. Pure; creates nothing.
 */
export function workspaceParts(home: Home, job: Pick<JobCore, 'id' | 'repository' | 'others'>): WorkspacePart[] {
  const root = home.workspace(job.id);
  if (job.others === null) return [{ repository: job.repository, directory: root, prefix: null }];
  return repositoriesOf(job).map((repository) => ({
    repository,
    directory: join(root, repository),
    prefix: repository,
  }));
}
