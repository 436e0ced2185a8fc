import { basename } from 'node:path';
import type { NewQuarantine } from '../store/quarantine-store.ts';

/** Returns the damaged ones of a home's own files as they are set aside: kind, path, and what is wrong or null. */
export function describeFiles(files: readonly (readonly [string, string, string | null])[]): NewQuarantine[] {
  return files.flatMap(([kind, path, why]) =>
    why === null ? [] : [{ kind, item: basename(path), path, why, jobId: null }],
  );
}
