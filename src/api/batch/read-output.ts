import type { FileHandle } from 'node:fs/promises';
import { isTerminal } from '../../lifecycle/transitions.ts';
import type { Job } from '../../lifecycle/job.ts';
import { findOutput } from '../find-output.ts';
import type { Services } from '../services.ts';
import { MAX_OUTPUT_BYTES, type BatchJobView } from './contract.ts';

type Output = Pick<BatchJobView, 'output' | 'outputBytes' | 'outputTruncated' | 'outputExact'>;

/** Returns the beginning of a job's output as text: never a character that is not there yet, never one cut in two. */
export async function readOutput(services: Services, job: Job, maxBytes = MAX_OUTPUT_BYTES): Promise<Output> {
  const { handle, size } = await findOutput(services, job, { attempt: null, stream: 'stdout' });
  if (handle === null) return { output: '', outputBytes: 0, outputTruncated: false, outputExact: true };
  try {
    const bytes = await readStart(handle, Math.min(size, maxBytes));
    const isCut = size > bytes.length || !isTerminal(job.state);
    const whole = isCut ? bytes.subarray(0, bytes.length - countOpen(bytes)) : bytes;
    return { ...decode(whole), outputBytes: size, outputTruncated: size > maxBytes };
  } finally {
    await handle.close();
  }
}

async function readStart(handle: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

/** Bytes at the end that begin a UTF-8 character without ending it: 0 to 3. */
function countOpen(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

function decode(bytes: Buffer): Pick<Output, 'output' | 'outputExact'> {
  try {
    return { output: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), outputExact: true };
  } catch {
    return { output: bytes.toString('utf8'), outputExact: false };
  }
}
