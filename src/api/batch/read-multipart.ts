import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { fail, isError, type HoldfastError } from '../../kernel/errors.ts';
import { messageOf } from '../../kernel/result.ts';

/** Most parts of one request, and the longest of the small ones. */
const LIMITS = { files: 100, fields: 100, parts: 200, fieldSize: 1024, fieldNameSize: 100, headerPairs: 50 };

/** A file of a multipart body: its name as it was sent, and its bytes as they come. */
export interface PartFile {
  name: string;
  source: AsyncIterable<Uint8Array>;
}

/**
 * Hands every file of a multipart body to `take`, one after the other, and returns how many there were. The first thing
 * that goes wrong ends the reading: what `take` throws, or `bad-request` for a body that is not whole.
 */
export async function readMultipart(request: {
  contentType: string;
  body: AsyncIterable<Uint8Array>;
  take: (file: PartFile) => Promise<void>;
}): Promise<number> {
  const parser = createParser(request.contentType);
  // Its reason is the first thing that went wrong.
  const refused = new AbortController();
  const takings: Promise<void>[] = [];
  const open = new Set<Readable>();
  /** One after the other, also where the parser is ahead: nothing is taken after what was refused. */
  const takeNext = async (stream: Readable, name: string, before: Promise<void> | undefined): Promise<void> => {
    await before;
    try {
      if (refused.signal.aborted) stream.resume();
      else await request.take({ name, source: readPart(stream) });
    } catch (error) {
      refused.abort(error);
    } finally {
      open.delete(stream);
    }
  };
  parser.on('file', (_field, stream, name: string | undefined) => {
    open.add(stream);
    // Its reader throws what it ends with; without one nobody must.
    stream.on('error', () => undefined);
    takings.push(takeNext(stream, name ?? '', takings.at(-1)));
  });
  for (const limit of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
    const error = fail('payload-too-large', `more than ${LIMITS.files} files or fields at once`);
    parser.on(limit, () => refused.abort(error));
  }
  try {
    await pipeline(Readable.from(request.body), parser, { signal: refused.signal });
  } catch (error) {
    refused.abort(brokenBy(error));
    for (const stream of open) stream.destroy(brokenBy(error));
  }
  await Promise.all(takings);
  refused.signal.throwIfAborted();
  return takings.length;
}

async function* readPart(stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    throw brokenBy(error);
  }
}

/** What breaks the stream of a body is the client's doing, unless it has a name of ours. */
function brokenBy(error: unknown): HoldfastError {
  return isError(error) ? error : fail('bad-request', `the body is not whole: ${messageOf(error)}`, { cause: error });
}

function createParser(contentType: string): BusboyInstance {
  try {
    // A path in a name is refused by whoever takes the file; cutting it off here would hide what was meant.
    return new Busboy({ headers: { 'content-type': contentType }, preservePath: true, limits: LIMITS });
  } catch (error) {
    throw fail('bad-request', `the body is not multipart/form-data: ${messageOf(error)}`, { cause: error });
  }
}
