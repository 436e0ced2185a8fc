import type { AttemptContext } from '../attempts/context.ts';
import { messageOf } from '../kernel/result.ts';
import type { NewQuarantine } from '../store/quarantine-store.ts';
import { mendMirrorHead, mirrorHeadPath } from '../workspace/mirror-head.ts';

/**
 * Writes HEAD of every mirror anew that does not name the base of its repository, before anything is asked of git there.
 * Returns those that were damaged, as they are told. One that cannot be mended is logged: the job that needs it says so.
 */
export async function mendMirrors({ store, home, log }: AttemptContext): Promise<NewQuarantine[]> {
  const found: NewQuarantine[] = [];
  for (const { id, name, base } of await store.listRepositories()) {
    const mirrorDir = home.mirror(id);
    try {
      const why = await mendMirrorHead(mirrorDir, base);
      if (why === null) continue;
      found.push({ kind: 'mirror-head', item: name, path: mirrorHeadPath(mirrorDir), why, jobId: null });
      log.warn(`the mirror of ${name} was damaged and is mended: ${why}`);
    } catch (error) {
      log.warn(`HEAD of the mirror of ${name} cannot be mended: ${messageOf(error)}`);
    }
  }
  return found;
}
