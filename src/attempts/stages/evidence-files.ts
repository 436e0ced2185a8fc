/** Evidence as files: `jobs/<id>/evidence/<sha256>`. A file has its name only once all of it is durable, and is never written again. */
import { join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { openPlainFile, readPlainFile } from '../../keeper/plain-file.ts';
import { createDurable, makeDirectory, syncDirectory } from '../../kernel/durable.ts';
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { sha256 } from '../../kernel/hash.ts';
import type { NewEvidence } from '../../store/ledger-store.ts';

/** Most bytes of one piece of evidence; of more the end is kept, where a failure says what failed. */
const MAX_EVIDENCE_BYTES = 16 * 2 ** 20;

type Named = Pick<NewEvidence, 'kind' | 'name' | 'attempt'>;

/**
 * Keeps bytes as evidence; returns what the ledger is to say of them. Can be repeated.
 * Throws `record-corrupt` when something else lies under their hash, `storage-full`.
 */
export async function keepBytes(directory: string, data: string | Uint8Array, named: Named): Promise<NewEvidence> {
  const bytes = Buffer.from(data);
  const hash = sha256(bytes);
  await makeDirectory(directory);
  failpoint('stage.before-evidence');
  if (!(await createDurable(join(directory, hash), bytes))) {
    await readEvidence(directory, hash);
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

/** Returns a piece of evidence, checked against its hash. Throws `record-corrupt` when it is gone or is not what it was. */
export async function readEvidence(directory: string, hash: string): Promise<Buffer> {
  const bytes = await readPlainFile(join(directory, hash));
  if (bytes === null) throw fail('record-corrupt', `evidence ${hash} is missing`);
  if (sha256(bytes) !== hash) throw fail('record-corrupt', `evidence ${hash} is not what was recorded`);
  return bytes;
}
