import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { fail, isError } from '../kernel/errors.ts';

/** The server pings every 15 s: three silent rounds mean that the connection, or the machine behind it, is gone. */
const SILENT_MS = 45_000;
/** Largest message taken, in characters. */
const MAX_MESSAGE = 16 * 2 ** 20;

/**
 * Yields the messages of a server-sent event stream until it ends. Throws `server-unreachable` when it breaks or stays
 * silent; leaving the loop closes the connection.
 */
export async function* readMessages(response: Response, signal: AbortSignal): AsyncGenerator<EventSourceMessage> {
  if (response.body === null || !(response.headers.get('content-type') ?? '').startsWith('text/event-stream')) {
    throw fail('server-unreachable', `${response.url} did not answer with an event stream`);
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const ready: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => ready.push(message), maxBufferSize: MAX_MESSAGE });
  try {
    for (;;) {
      const { done, value } = await readOrFail(reader, signal);
      if (done || value === undefined) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* ready.splice(0);
    }
  } finally {
    // The reader may be broken already; the connection is given up either way.
    reader.cancel().catch(() => undefined);
  }
}

async function readOrFail(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal,
): Promise<{ done: boolean; value?: Uint8Array | undefined }> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(fail('server-unreachable', `nothing heard from the server for ${SILENT_MS / 1000} s`));
    }, SILENT_MS);
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw isError(error) ? error : fail('server-unreachable', 'the connection broke', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
