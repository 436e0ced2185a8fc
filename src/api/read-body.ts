import type { IncomingMessage } from 'node:http';
import { fail } from '../kernel/errors.ts';
import type { Api } from './api.ts';

/** Longest pause between two pieces of an upload, milliseconds: that of any other request as a whole. */
const STALL_MS = 30_000;
/** Time a client has to read why its upload was refused before the connection is cut, milliseconds. */
const LINGER_MS = 2000;

/** Keeps this scope from reading a body to its end that was refused before it had arrived, however long that is. */
export function cutUnread(app: Api): void {
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.complete) return;
    raw.resume();
    setTimeout(() => {
      // By then it may have arrived whole, and the connection serve another request.
      if (!raw.complete) raw.socket.destroy();
    }, LINGER_MS).unref();
  });
}

/** Yields a body as it comes; throws `upload-stalled`. Leaving it early leaves the connection open for the answer. */
export async function* readBody(raw: IncomingMessage): AsyncGenerator<Uint8Array> {
  const body = raw.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  for (;;) {
    const next = await orStalled(body.next());
    if (next.done === true) return;
    yield next.value;
  }
}

async function orStalled<T>(piece: Promise<T>): Promise<T> {
  const { promise: stall, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(fail('upload-stalled', `no byte came for ${STALL_MS} ms`)), STALL_MS);
  try {
    return await Promise.race([piece, stall]);
  } finally {
    clearTimeout(timer);
  }
}
