/**
 * `fetch` to a server of ours, over plain HTTP or over TLS with the one certificate that is known: a certificate made for
 * a home is signed by nobody, and its name need not be the address it answers at.
 */
import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect, type TLSSocket } from 'node:tls';
import { http } from './node-http.ts';

/** What is sent; the subset of fetch this program needs. */
export interface PinnedRequest {
  method?: string;
  headers?: Headers;
  body?: string | Blob;
  signal?: AbortSignal;
}

/**
 * Like `fetch` without redirects. With a certificate (PEM, the server's own first), nothing is sent before the server has
 * shown exactly that one; null trusts what the system trusts.
 */
export async function fetchPinned(url: URL, request: PinnedRequest, certificate: string | null): Promise<Response> {
  if (certificate === null || url.protocol !== 'https:') return fetch(url, { ...request, redirect: 'error' });
  try {
    const socket = await connectPinned(url, certificate, request.signal);
    return toResponse(await send(url, request, socket));
  } catch (error) {
    throw request.signal?.aborted === true ? request.signal.reason : error;
  }
}

function connectPinned(url: URL, certificate: string, signal: AbortSignal | undefined): Promise<TLSSocket> {
  signal?.throwIfAborted();
  const expected = new X509Certificate(certificate).fingerprint256;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connect({
    host,
    port: Number(url.port === '' ? 443 : url.port),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    // The fingerprint decides, and alone: no authority, no name.
    rejectUnauthorized: false,
  });
  const abort = (): void => void socket.destroy(new Error('aborted'));
  signal?.addEventListener('abort', abort, { once: true });
  socket.once('error', reject);
  socket.once('secureConnect', () => {
    const shown = socket.getPeerX509Certificate()?.fingerprint256;
    if (shown === expected) return resolve(socket);
    socket.destroy();
    return reject(new Error('it shows another certificate than the one that is known'));
  });
  return promise.finally(() => {
    signal?.removeEventListener('abort', abort);
    socket.off('error', reject);
  });
}

function send(url: URL, { method = 'GET', headers, body, signal }: PinnedRequest, socket: TLSSocket) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const length = body instanceof Blob ? { 'content-length': body.size } : {};
  const call = http.request({
    createConnection: () => socket,
    method,
    path: url.pathname + url.search,
    headers: { ...Object.fromEntries(headers ?? []), ...length, host: url.host, connection: 'close' },
    ...(signal === undefined ? {} : { signal }),
  });
  call.once('response', resolve);
  call.on('error', reject);
  if (body instanceof Blob) pipeline(Readable.fromWeb(body.stream()), call).catch(reject);
  else call.end(body);
  return promise;
}

/** Statuses whose answer has no body. */
const EMPTY = [204, 205, 304];

function toResponse(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0;
  if (status >= 300 && status < 400 && status !== 304) {
    message.destroy();
    throw new Error(`it answered with a redirect (${status})`);
  }
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  if (EMPTY.includes(status)) message.resume();
  const body = EMPTY.includes(status) ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array>);
  return new Response(body, { status, headers });
}
