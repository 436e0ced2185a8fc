/**
 * One request to one checked address. The connection goes where the guard looked, not where a second look-up would lead;
 * TLS still asks for the name. No redirect is followed, and of the answer only the status and the first bytes are taken.
 */
import type { LookupAddress } from 'node:dns';
import type { IncomingMessage, RequestOptions } from 'node:http';
import type { LookupFunction } from 'node:net';
import { isError } from '../kernel/errors.ts';
import { http, https } from '../kernel/node-http.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { parseTarget, type Guard } from './guard.ts';
import type { TryResult } from './judge-try.ts';

/** Bytes of an answer that are read so that its connection can be used again; beyond them it is cut. */
const MAX_ANSWER_BYTES = 4096;
/** An idle connection is kept this long, milliseconds. */
const IDLE_MS = 30_000;

const BROKEN: TryResult = { kind: 'error', message: 'the connection was closed twice' };

export interface Message {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface Sender {
  /** Sends a message once; rejects with the reason of `signal` only, everything else is a result. */
  send(message: Message, signal: AbortSignal): Promise<TryResult>;
  /** Closes idle connections. */
  close(): void;
}

/** Makes a connection go to these addresses, whatever the name would resolve to now. */
function pin(addresses: readonly LookupAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, [...addresses]);
    else if (first === undefined) callback(new Error('no address'), '', 4);
    else callback(null, first.address, first.family);
  };
}

/** Returns the sender. `timeoutMs` is for one try, from the look-up of the name to the status. */
export function createSender(options: { guard: Guard; timeoutMs: number }): Sender {
  const idle = { keepAlive: true, maxFreeSockets: 32, timeout: IDLE_MS, scheduling: 'lifo' } as const;
  const agents = { http: new http.Agent(idle), https: new https.Agent(idle) };

  const post = async (url: URL, message: Message, extra: RequestOptions): Promise<TryResult> =>
    (await postOnce(url, message, extra)) ?? (await postOnce(url, message, extra)) ?? BROKEN;

  /** Null when the receiver closed an idle connection just as it was used again: that says nothing about the message. */
  const postOnce = (url: URL, message: Message, extra: RequestOptions): Promise<TryResult | null> =>
    new Promise((resolve, reject) => {
      const isSecure = url.protocol === 'https:';
      const request = (isSecure ? https : http).request(url, {
        ...extra,
        method: 'POST',
        agent: isSecure ? agents.https : agents.http,
        headers: { ...message.headers, 'content-length': Buffer.byteLength(message.body) },
      });
      request.once('response', (response) => {
        drain(response);
        const { statusCode = 0, headers } = response;
        resolve({ kind: 'answer', status: statusCode, retryAfter: headers['retry-after'] ?? null });
      });
      request.on('error', (error) => {
        if (request.reusedSocket && errnoOf(error) === 'ECONNRESET') resolve(null);
        else reject(error);
      });
      request.end(message.body);
    });

  return {
    async send(message, signal) {
      const limit = AbortSignal.timeout(options.timeoutMs);
      const either = AbortSignal.any([signal, limit]);
      try {
        const url = parseTarget(message.url);
        const addresses = await orAborted(options.guard.resolve(url), either);
        return await post(url, message, { lookup: pin(addresses), signal: either });
      } catch (error) {
        signal.throwIfAborted();
        if (isError(error, 'callback-refused')) return { kind: 'forbidden', message: error.detail };
        if (limit.aborted) return { kind: 'error', message: `no answer within ${options.timeoutMs} ms` };
        return { kind: 'error', message: describe(error) };
      }
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function describe(error: unknown): string {
  // A host with several addresses fails with one error for each.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return messageOf(error);
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Reads the little an honest receiver says; who says more loses the connection. Its errors no longer matter. */
function drain(response: IncomingMessage): void {
  let bytes = 0;
  response.on('error', () => undefined);
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) response.destroy();
  });
}
