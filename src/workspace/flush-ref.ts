import { dirname, join } from 'node:path';
import { syncDirectory } from '../kernel/durable.ts';
import { exists } from './remove-tree.ts';

/**
 * Flushes the name of a ref in one of our bare repositories. Git flushes what is in a ref, and not the directories that
 * name it; on the word of a ref work is removed, and states change.
 */
export async function flushRefName(gitDir: string, ref: string): Promise<void> {
  for (let folder = dirname(ref); folder !== 'refs'; folder = dirname(folder)) {
    const path = join(gitDir, folder);
    // A ref that was packed has none.
    if (await exists(path)) await syncDirectory(path);
  }
  await syncDirectory(join(gitDir, 'refs'));
}
