import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentAdapter, Summary } from '../agents/adapter.ts';
import { createEventReader } from '../agents/read-events.ts';
import { emptySummary } from '../agents/summary.ts';
import { openPlainFile } from '../keeper/plain-file.ts';
import { RUN_FILES } from '../keeper/protocol.ts';

/** Bytes of output read at a time when it is read back after the end. */
const READ_CHUNK = 256 * 1024;
/** Bytes at the end of stderr in which an agent says why it did not even begin. */
const STDERR_TAIL_BYTES = 4096;

/**
 * Reads exactly the first `bytes` of the output (what the exit record vouches for) through the adapter's parser; an
 * agent that is not configured any more has none.
 */
export async function readSummary(runDir: string, adapter: AgentAdapter | null, bytes: number): Promise<Summary> {
  if (adapter === null) return emptySummary();
  const reader = createEventReader(adapter);
  // An agent that is judged by its exit code says nothing here, and its output may be a gigabyte.
  if (!adapter.capabilities.requiresFinalEvent) return reader.seen;
  await using handle: FileHandle | null = await openPlainFile(join(runDir, RUN_FILES.output));
  if (handle === null) return reader.seen;
  const buffer = Buffer.allocUnsafe(READ_CHUNK);
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_CHUNK, bytes - at), at);
    if (bytesRead === 0) break;
    reader.push(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return reader.seen;
}

/** Returns the last bytes of a file as text, empty when there is none. */
export async function readTail(path: string): Promise<string> {
  await using handle: FileHandle | null = await openPlainFile(path);
  if (handle === null) return '';
  const { size } = await handle.stat();
  const buffer = Buffer.alloc(Math.min(size, STDERR_TAIL_BYTES));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, size - buffer.length);
  return buffer.toString('utf8', 0, bytesRead);
}
