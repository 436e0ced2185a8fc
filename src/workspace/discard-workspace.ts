import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { makeDirectory, renameDurable, syncDirectory } from '../kernel/durable.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { checkOperation, exists, listNames, removeTree } from './remove-tree.ts';

/**
 * Removes a workspace (or any directory of the home) for good: it is first renamed into `removalsDir`, on the same
 * file system, so that a crash leaves either all of it under its old name or nothing under that name; then deleted
 * without following symlinks. Can be repeated at any point; fine when it is gone already.
 */
export async function discardWorkspace(request: {
  workspaceDir: string;
  removalsDir: string;
  op: string;
}): Promise<void> {
  const { workspaceDir, removalsDir, op } = request;
  checkOperation(op);
  await makeDirectory(removalsDir);
  if (await exists(workspaceDir)) {
    const target = join(removalsDir, `${op}~${randomBytes(6).toString('hex')}`);
    failpoint('removal.before-rename');
    try {
      await renameDurable(workspaceDir, target);
    } catch (error) {
      // Somebody else was faster with the same wish.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  failpoint('removal.after-rename');
  // Earlier tries of this operation may have left more than one.
  for (const name of await listNames(removalsDir)) {
    if (name.startsWith(`${op}~`)) await removeTree(join(removalsDir, name), op);
  }
  await syncDirectory(removalsDir);
  failpoint('removal.after-delete');
}

/**
 * Deletes everything that was moved into `removalsDir` and not yet deleted. What cannot be deleted stays there and is
 * returned with the reason, so that one stubborn tree does not keep the others.
 */
export async function sweepRemovals(
  removalsDir: string,
): Promise<{ removed: string[]; failed: { name: string; why: string }[] }> {
  const removed: string[] = [];
  const failed: { name: string; why: string }[] = [];
  for (const name of await listNames(removalsDir)) {
    try {
      await removeTree(join(removalsDir, name));
      removed.push(name);
    } catch (error) {
      failed.push({ name, why: errnoOf(error) ?? messageOf(error) });
    }
  }
  if (removed.length > 0) await syncDirectory(removalsDir);
  return { removed, failed };
}
