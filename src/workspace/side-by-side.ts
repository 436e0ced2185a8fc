import { dirname, basename, join } from 'node:path';
import { makeDirectory, renameDurable } from '../kernel/durable.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { JobFile } from '../lifecycle/job-file.ts';
import { syncFileSystem } from './file-system.ts';
import { checkOperation, removeLeftovers } from './remove-tree.ts';
import { copyStagedFiles } from './staging.ts';

/** A workspace of several repositories that is being made beside the place where it will lie. */
export interface SideBySide {
  workspaceDir: string;
  op: string;
}

/** Begin of the name of one repository's copy while it is made. */
export function partBeside({ workspaceDir }: SideBySide): string {
  return `${workspaceDir}.part`;
}

/** Makes the empty place for the copies and returns its path; what earlier tries left is removed. */
export async function beginSideBySide({ workspaceDir, op }: SideBySide): Promise<string> {
  checkOperation(op);
  const parent = dirname(workspaceDir);
  await makeDirectory(parent);
  await removeLeftovers(parent, (name) => name.startsWith(`${basename(workspaceDir)}.`));
  const unfinished = `${workspaceDir}.${op}`;
  await makeDirectory(unfinished);
  return unfinished;
}

/**
 * Puts the files that were sent for the job beside the copies and gives the whole its name: a workspace that has its name
 * has all of its repositories and uploads. Throws what `copyStagedFiles` throws, `storage-full`.
 */
export async function finishSideBySide(
  what: SideBySide & { repositories: readonly string[]; uploads: { stagingDir: string; files: readonly JobFile[] } },
): Promise<void> {
  const { workspaceDir, op, repositories, uploads } = what;
  const root = join(dirname(workspaceDir), `${basename(workspaceDir)}.${op}`);
  const taken = new Map(repositories.map((name) => [name, 'tree' as const]));
  if (uploads.files.length > 0) await copyStagedFiles({ ...uploads, root, taken });
  await syncFileSystem(root, op);
  failpoint('workspace.before-rename');
  await renameDurable(root, workspaceDir);
  failpoint('workspace.after-rename');
}
