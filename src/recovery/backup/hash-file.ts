import { createHash } from 'node:crypto';
import { openPlainFile } from '../../keeper/plain-file.ts';
import { fail } from '../../kernel/errors.ts';

/** Returns size and sha256 of a plain file as it lies on disk. Throws when it is none, or not there. */
export async function hashFile(path: string): Promise<{ bytes: number; sha256: string }> {
  await using handle = await openPlainFile(path);
  if (handle === null) throw fail('not-found', `${path} is missing`);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false, start: 0 })) {
    bytes += (chunk as Buffer).length;
    hash.update(chunk as Buffer);
  }
  return { bytes, sha256: hash.digest('hex') };
}
