import type { JobView, StreamName } from '../api/contract.ts';
import { fail, isError } from '../kernel/errors.ts';
import type { Client } from './client.ts';

/** One stream of one attempt. */
export interface OutputSource {
  client: Client;
  job: Pick<JobView, 'id'>;
  attempt: number;
  stream: StreamName;
}

/** Read back at once when looking for the last lines. */
const WINDOW_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Returns how many bytes of the stream are there now. */
export async function getOutputSize(source: OutputSource): Promise<number> {
  return (await readRange(source, 'bytes=0-0')).size;
}

/** Returns the offset at which the last `lines` lines begin; a last line without its line break counts as one. */
export async function findTail(source: OutputSource, lines: number): Promise<number> {
  const size = await getOutputSize(source);
  if (lines === 0) return size;
  let found = 0;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - WINDOW_BYTES);
    const { bytes } = await readRange(source, `bytes=${start}-${end - 1}`);
    for (let i = bytes.length - 1; i >= 0; i--) {
      if (bytes[i] !== NEWLINE || start + i === size - 1) continue;
      found += 1;
      if (found === lines) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

/**
 * Hands on the bytes of the stream that are there now, from `offset` on. Goes on where it was when the connection
 * breaks, so a restart of the server in the middle costs nothing.
 */
export async function readOutput(
  source: OutputSource & { offset: number },
  take: (piece: { offset: number; bytes: Uint8Array }) => Promise<void>,
): Promise<void> {
  const end = await getOutputSize(source);
  for (let offset = source.offset; offset < end;) {
    const before = offset;
    try {
      const response = await request(source, `bytes=${offset}-${end - 1}`);
      for await (const bytes of response.body ?? []) {
        await take({ offset, bytes });
        offset += bytes.length;
      }
    } catch (error) {
      if (isError(error) || offset === before) throw error;
    }
    if (offset === before) throw fail('server-unreachable', `the output ended at byte ${offset} of ${end}`);
  }
}

async function readRange(source: OutputSource, range: string): Promise<{ bytes: Uint8Array; size: number }> {
  try {
    const response = await request(source, range);
    const size = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { bytes, size: size === undefined ? bytes.length : Number(size) };
  } catch (error) {
    // No byte is there yet.
    if (isError(error, 'bad-range')) return { bytes: new Uint8Array(), size: 0 };
    throw error;
  }
}

function request(source: OutputSource, range: string): Promise<Response> {
  const { client, job, attempt, stream } = source;
  const headers = { range, accept: 'text/plain' };
  return client.send({ path: `/v1/jobs/${job.id}/output`, query: { attempt, stream }, headers, timeoutMs: null });
}
