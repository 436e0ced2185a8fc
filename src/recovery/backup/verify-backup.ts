/** Reads a whole backup back: every file against its manifest, the database against its journal, bundles as mirrors. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, isError } from '../../kernel/errors.ts';
import { isShortage, messageOf } from '../../kernel/result.ts';
import { checkCopyInThread, inspectCopy } from '../../store/sqlite/copy-database.ts';
import { verifyBundle } from '../../workspace/bundle.ts';
import { removeTree } from '../../workspace/remove-tree.ts';
import { hashFile } from './hash-file.ts';
import { bundlePath, DATABASE, describeDamage, readManifest, type Manifest, type ManifestFile } from './manifest.ts';

export interface Verifying {
  signal: AbortSignal;
  /** Existing directory in which mirrors are made for a moment; null leaves the bundles at their hashes. */
  scratch: string | null;
  /** Replays the journal of the database, and compares every row. */
  replay: boolean;
  /** Told the files that were read, of how many. */
  progress?: (done: number, total: number) => void;
}

/** Faults one error names. */
const NAMED = 5;

/** Returns the manifest of a backup that is whole. Throws `backup-damaged` with what is wrong, `backup-too-new`. */
export async function verifyBackup(directory: string, how: Verifying): Promise<{ manifest: Manifest; sha256: string }> {
  const read = await readManifest(directory);
  const { manifest } = read;
  const faults = await compareFiles(directory, manifest.files, how);
  if (faults.length > 0) {
    const more = faults.length > NAMED ? ` and ${faults.length - NAMED} more` : '';
    throw fail('backup-damaged', `${directory}: ${faults.slice(0, NAMED).join('; ')}${more}`);
  }
  await checkDatabase(join(directory, DATABASE), manifest, how);
  if (how.scratch !== null) await verifyBundles(directory, manifest, { ...how, scratch: how.scratch });
  return read;
}

async function compareFiles(directory: string, files: readonly ManifestFile[], how: Verifying): Promise<string[]> {
  const faults: string[] = [];
  if (!files.some(({ path }) => path === DATABASE)) faults.push(`it has no ${DATABASE}`);
  for (const [index, file] of files.entries()) {
    how.signal.throwIfAborted();
    how.progress?.(index, files.length);
    const why = await compareFile(join(directory, file.path), file);
    if (why !== null) faults.push(`${file.path} ${why}`);
  }
  return faults;
}

async function compareFile(path: string, file: ManifestFile): Promise<string | null> {
  try {
    const found = await hashFile(path);
    if (found.bytes !== file.bytes) return `has ${found.bytes} bytes, ${file.bytes} were saved`;
    return found.sha256 === file.sha256 ? null : 'is not what was saved';
  } catch (error) {
    if (isShortage(error)) throw error;
    return isError(error, 'not-found') ? 'is missing' : `cannot be read: ${messageOf(error)}`;
  }
}

async function checkDatabase(path: string, manifest: Manifest, how: Verifying): Promise<void> {
  const found = openDatabase(path);
  const { lastSeq, lastHash } = manifest.database;
  if (found.lastSeq !== lastSeq || found.lastHash !== lastHash)
    throw fail('backup-damaged', `${path} ends at event ${found.lastSeq}, the manifest says ${lastSeq}`);
  if (!how.replay) return;
  const damage = describeDamage(await checkCopyInThread(path, how.signal), path);
  const more = damage.filter((one) => !manifest.damaged.includes(one));
  if (more.length > 0) throw fail('backup-damaged', `${path}: ${more.slice(0, NAMED).join('; ')}`);
}

function openDatabase(path: string): ReturnType<typeof inspectCopy> {
  try {
    return inspectCopy(path);
  } catch (error) {
    if (isError(error, 'store-too-new')) throw fail('backup-too-new', error.detail, { cause: error });
    throw fail('backup-damaged', messageOf(error), { cause: error });
  }
}

async function verifyBundles(
  directory: string,
  manifest: Manifest,
  how: { scratch: string; signal: AbortSignal },
): Promise<void> {
  const scratch = join(how.scratch, '.check');
  try {
    for (const { id, mirror } of manifest.repositories) {
      if (mirror === null) continue;
      await mkdir(scratch, { recursive: true, mode: 0o700 });
      await verifyBundle({ file: join(directory, bundlePath(id)), scratch, mirror, signal: how.signal });
    }
  } finally {
    await removeTree(scratch);
  }
}
