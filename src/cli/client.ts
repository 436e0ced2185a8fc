import { backoffMs, delay } from '../kernel/backoff.ts';
import { ERRORS, fail, HoldfastError, isError, type ErrorCode } from '../kernel/errors.ts';
import { fetchPinned } from '../kernel/pinned-fetch.ts';
import { messageOf } from '../kernel/result.ts';
import type { ServerAddress } from './address.ts';
import { watchHealth } from './health-watch.ts';

/** One call to the server. */
export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  /** Bytes sent as they are, instead of a body. */
  content?: Blob;
  /** Makes a POST safe to repeat: the server answers a repetition with the first result. */
  idempotencyKey?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Null for an answer that has no end of its own. */
  timeoutMs?: number | null;
}

/** Longest wait for an answer: registering a repository by URL asks the network. */
const TIMEOUT_MS = 60_000;
/** Tries of a call that may be repeated, in all. */
const TRIES = 4;
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 1000;
/** How long a call waits for a server that is still recovering. */
const RECOVERING_MS = 30_000;

/**
 * Talks HTTP to the server. The address is looked up for every try, so that a server that came back on another port is
 * found. Only what may safely happen twice is repeated: GET, PUT, and a POST with an idempotency key; an answer `not-ready`
 * did nothing and is repeated for every method.
 */
export class Client {
  readonly #find: () => Promise<ServerAddress>;
  readonly #notice: (text: string) => void;
  readonly #interrupted: AbortSignal;

  constructor(options: {
    find: () => Promise<ServerAddress>;
    /** Told about every try that failed and will be repeated. */
    notice: (text: string) => void;
    /** Ends every call that gives no signal of its own. */
    interrupted: AbortSignal;
  }) {
    this.#find = options.find;
    this.#notice = options.notice;
    this.#interrupted = options.interrupted;
  }

  /** Returns where the server is now. Throws `server-unreachable` when the home names none. */
  address(): Promise<ServerAddress> {
    return this.#find();
  }

  /** Returns the JSON of a GET. */
  async get<T>(path: string, query: NonNullable<Call['query']> = {}): Promise<T> {
    return this.call<T>({ path, query });
  }

  /** Returns the JSON answer of a POST. */
  async post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.call<T>({ method: 'POST', path, body });
  }

  /** Returns the JSON answer, or null for an empty one. */
  async call<T>(call: Call): Promise<T> {
    const response = await this.send(call);
    try {
      const text = await response.text();
      return (text === '' ? null : JSON.parse(text)) as T;
    } catch (error) {
      throw fail('server-unreachable', `the answer to ${call.path} was cut off or is not JSON: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Returns the answer once its head is there and its status is good; throws the server's error otherwise. */
  async send(wanted: Call): Promise<Response> {
    const call = { ...wanted, signal: wanted.signal ?? this.#interrupted };
    const started = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(call);
      } catch (error) {
        if (call.signal.aborted || !mayRepeat({ call, error, attempt, started })) throw error;
        this.#notice(`${messageOf(error)}; trying again`);
        await delay(backoffMs(attempt, FIRST_WAIT_MS, MAX_WAIT_MS), call.signal);
      }
    }
  }

  /** Like `send`, with a single try. */
  async once(call: Call): Promise<Response> {
    const address = await this.#find();
    const url = new URL(`${address.url}${call.path}`);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== null && value !== undefined) url.searchParams.set(name, String(value));
    }
    const response = await fetchOrFail({ url, call, address });
    if (response.ok) return response;
    throw await readProblem(response, address.url);
  }
}

async function fetchOrFail(request: { url: URL; call: Call; address: ServerAddress }): Promise<Response> {
  const { url, call, address } = request;
  const headers = new Headers({ accept: 'application/json', ...call.headers });
  if (address.token !== null) headers.set('authorization', `Bearer ${address.token}`);
  if (call.idempotencyKey !== undefined) headers.set('idempotency-key', call.idempotencyKey);
  if (call.body !== undefined) headers.set('content-type', 'application/json');
  if (call.content !== undefined) headers.set('content-type', 'application/octet-stream');
  const timeoutMs = call.timeoutMs === undefined ? TIMEOUT_MS : call.timeoutMs;
  const health = watchHealth(address);
  const signals = [call.signal, health.signal, timeoutMs === null ? undefined : AbortSignal.timeout(timeoutMs)];
  try {
    // No redirect: the token goes to the server that was asked, never to where an answer points.
    const sent = {
      method: call.method ?? 'GET',
      headers,
      signal: AbortSignal.any(signals.filter((signal) => signal !== undefined)),
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(call.content === undefined ? {} : { body: call.content }),
    };
    return await fetchPinned(url, sent, address.certificate);
  } catch (error) {
    if (call.signal?.aborted === true) throw call.signal.reason;
    throw unreachable(address.url, error);
  } finally {
    health.stop();
  }
}

/** Whether an answer, or its cause, was waited for in vain. */
export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function unreachable(url: string, error: unknown): HoldfastError {
  if (isTimeout(error)) {
    return fail('server-unreachable', `${url} took the call but does not answer: it hangs, or was stopped`, {
      hint: '`holdfast server status` says which; `holdfast serve --takeover` replaces a server that hangs.',
      cause: error,
    });
  }
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return fail('server-unreachable', `${url} does not answer: ${messageOf(cause)}`, { cause: error });
}

/** Returns the error an answer stands for: the server's own code, or the closest one for an answer that is not ours. */
async function readProblem(response: Response, url: string): Promise<HoldfastError> {
  const text = await response.text().catch(() => '');
  const problem = parseProblem(text);
  if (problem === null) {
    return fail('server-unreachable', `${url} answered ${response.status} without saying why: it may not be Holdfast`);
  }
  const code = Object.hasOwn(ERRORS, problem.code) ? (problem.code as ErrorCode) : codeOfStatus(response.status);
  return fail(code, problem.detail, problem.hint === null ? {} : { hint: problem.hint });
}

/** A newer server may know codes this program does not: the status still tells what kind it is. */
function codeOfStatus(status: number): ErrorCode {
  switch (status) {
    case 401:
      return 'unauthorised';
    case 403:
      return 'forbidden';
    case 404:
      return 'not-found';
    case 409:
      return 'state-conflict';
    case 503:
      return 'not-ready';
    default:
      return status < 500 ? 'bad-request' : 'internal';
  }
}

function parseProblem(text: string): { code: string; detail: string; hint: string | null } | null {
  try {
    const parsed = JSON.parse(text) as Record<string, unknown> | null;
    const { code, detail, title, hint } = parsed ?? {};
    if (typeof code !== 'string') return null;
    return {
      code,
      detail: typeof detail === 'string' ? detail : typeof title === 'string' ? title : code,
      hint: typeof hint === 'string' ? hint : null,
    };
  } catch {
    return null;
  }
}

function mayRepeat(input: { call: Call; error: unknown; attempt: number; started: number }): boolean {
  const { call, error, attempt, started } = input;
  if (isError(error, 'not-ready')) return performance.now() - started < RECOVERING_MS;
  if (!isError(error, 'server-unreachable') || attempt >= TRIES) return false;
  // What hangs would only be waited for once more.
  if (isTimeout(error.cause)) return false;
  // Without a cause nothing was tried: the home names no server, and asking again would not change that.
  if (error.cause === undefined) return false;
  return ['GET', 'PUT'].includes(call.method ?? 'GET') || call.idempotencyKey !== undefined;
}
