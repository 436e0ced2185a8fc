/** Evidence as files: `jobs/<id>/evidence/<sha256>`. A file has its name only once all of it is durable, and is never written again. */
import { join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { openPlainFile } from '../../keeper/plain-file.ts';
import { createDurable, makeDirectory, renameDurable, syncDirectory } from '../../kernel/durable.ts';
import { fail, isError } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { sha256 } from '../../kernel/hash.ts';
import { errnoOf, isShortage, messageOf } from '../../kernel/result.ts';
import type { NewEvidence } from '../../store/ledger-store.ts';

/** Most bytes of one piece of evidence; of more the end is kept, where a failure says what failed. */
const MAX_EVIDENCE_BYTES = 16 * 2 ** 20;

/** Largest file that is read as evidence, bytes: a patch is as long as that, and so is what a gate printed. */
const MAX_READ_BYTES = 2 * MAX_EVIDENCE_BYTES;

type Named = Pick<NewEvidence, 'kind' | 'name' | 'attempt'>;

/**
 * Keeps bytes as evidence; returns what the ledger is to say of them. Can be repeated. What lies under their hash and is
 * something else is moved aside: the right bytes are in hand. Throws `storage-full`.
 */
export async function keepBytes(directory: string, data: string | Uint8Array, named: Named): Promise<NewEvidence> {
  const bytes = Buffer.from(data);
  const hash = sha256(bytes);
  await makeDirectory(directory);
  failpoint('stage.before-evidence');
  if (!(await createDurable(join(directory, hash), bytes))) {
    await makeSound(directory, hash, bytes);
    // Whoever wrote it may have been killed before its name was flushed.
    await syncDirectory(directory);
  }
  failpoint('stage.after-evidence');
  return { ...named, sha256: hash, bytes: bytes.length };
}

/**
 * Keeps the end of the first `bytes` of a file as evidence. An agent could have put something else in its place, so only
 * a plain file is read, and through no link; null where there is none.
 */
export async function keepFile(
  directory: string,
  { path, bytes }: { path: string; bytes: number },
  named: Named,
): Promise<NewEvidence | null> {
  await using handle: FileHandle | null = await openPlainFile(path);
  if (handle === null) return null;
  const end = Math.min((await handle.stat()).size, bytes);
  const kept = Buffer.alloc(Math.min(end, MAX_EVIDENCE_BYTES));
  for (let done = 0; done < kept.length;) {
    const { bytesRead } = await handle.read(kept, done, kept.length - done, end - kept.length + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return await keepBytes(directory, kept, named);
}

/** Damaged evidence is kept beside the sound one, under a name nothing looks for. */
async function makeSound(directory: string, hash: string, bytes: Buffer): Promise<void> {
  try {
    await readEvidence(directory, hash);
  } catch (error) {
    if (!isError(error, 'evidence-corrupt')) throw error;
    const path = join(directory, hash);
    try {
      await renameDurable(path, `${path}.damaged`);
    } catch (gone) {
      if (errnoOf(gone) !== 'ENOENT') throw gone;
    }
    await createDurable(path, bytes);
  }
}

/** Returns a piece of evidence, checked against its hash. Throws `evidence-corrupt` when it is gone or is not what it was. */
export async function readEvidence(directory: string, hash: string): Promise<Buffer> {
  const corrupt = (why: string, cause?: unknown): Error =>
    fail('evidence-corrupt', `evidence ${hash} ${why}`, { cause });
  let bytes: Buffer | null;
  try {
    bytes = await readBounded(join(directory, hash));
  } catch (error) {
    // That the disk fails, or that too many files are open, says nothing of what was recorded.
    if (isShortage(error) || errnoOf(error) === 'EIO') throw error;
    throw corrupt(`cannot be read: ${messageOf(error)}`, error);
  }
  if (bytes === null) throw corrupt('is missing');
  if (sha256(bytes) !== hash) throw corrupt('is not what was recorded');
  return bytes;
}

async function readBounded(path: string): Promise<Buffer | null> {
  await using handle = await openPlainFile(path);
  if (handle === null) return null;
  const { size } = await handle.stat();
  if (size > MAX_READ_BYTES) throw new Error(`${size} bytes are too many for evidence`);
  return await handle.readFile();
}
