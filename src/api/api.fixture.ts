/**
 * What the tests of this room run against: the real server over the real store and real files. Only what belongs to
 * rooms this one may not import is done here in its smallest real form: output is a file that grows, a diff is a file.
 */
import { appendFile, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { watch } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { join } from 'node:path';
import type { EventSourceMessage } from 'eventsource-parser';
import type { FastifyInstance } from 'fastify';
import { systemClock, type Clock } from '../kernel/clock.ts';
import { fail } from '../kernel/errors.ts';
import { sha256 as hashOf } from '../kernel/hash.ts';
import { newId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import { homeLayout, type Home } from '../lifecycle/home.ts';
import { faultOfFileName } from '../lifecycle/job-file.ts';
import { DEFAULT_LIMITS, type Job, type Outcome } from '../lifecycle/job.ts';
import type { RecoveryReport } from '../lifecycle/report.ts';
import type { DiskState } from '../queue/disk-level.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './api.ts';
import { cleaningServices } from './cleaning.fixture.ts';
import type { JobView, Problem } from './contract.ts';
import { isBatchPath } from './batch/routes.ts';
import { callbackServices } from './callbacks.fixture.ts';
import { readFrames } from './frames.fixture.ts';
import { pipelineServices } from './pipeline.fixture.ts';
import { createHttpServer, type HttpServerOptions } from './server.ts';
import { numberServices, type Numbers } from './numbers.fixture.ts';
import type { AttemptRef, Heartbeat, Services } from './services.ts';
import { hashToken } from './token.ts';

export const ROOT_TOKEN = 'root-token-of-the-home';
const AGENTS = ['scripted', 'exec'];
/** Of one upload here. */
export const MAX_FILE_BYTES = 2 ** 20;

/** A home on a temporary directory; `start` opens a server on it, again and again. */
export interface World extends AsyncDisposable {
  home: Home;
  start(options?: StartOptions): Promise<Running>;
}

export interface StartOptions {
  hosts?: string[];
  log?: Log;
  streams?: HttpServerOptions['streams'];
  clock?: Clock;
  readiness?: { ready: boolean; phase: string; degraded: string[] };
  disk?: () => DiskState | null;
  report?: RecoveryReport | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed body; throws when it is not JSON. */
  // oxlint-disable-next-line no-unnecessary-type-parameters -- the tests say what they expect, and check it
  json<T>(): T;
}

export interface Running extends AsyncDisposable {
  url: string;
  port: number;
  app: FastifyInstance;
  store: Store;
  services: Services;
  home: Home;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  close(): Promise<void>;
}

export interface CallOptions {
  body?: unknown;
  /** Sent as it is, with this content type. */
  raw?: { body: string | Uint8Array; type: string };
  token?: string | null;
  headers?: Record<string, string>;
}

/** Makes an empty home; disposing it closes its servers and removes it. */
export async function makeWorld(): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-api-'));
  const home = homeLayout(root);
  await mkdir(home.jobs, { recursive: true });
  const servers = new Set<Running>();
  return {
    home,
    async start(options = {}) {
      const running = await start(home, options);
      servers.add(running);
      return running;
    },
    async [Symbol.asyncDispose]() {
      for (const running of servers) await running.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Makes a home with one server and one repository named `demo`. */
export async function makeServer(options: StartOptions = {}): Promise<Running> {
  const world = await makeWorld();
  const running = await world.start(options);
  await addDemo(running.store);
  return Object.assign(running, { [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() });
}

/** Registers a repository with room for many jobs. */
export async function addDemo(store: Store, name = 'demo'): Promise<void> {
  await store.addRepository({
    name,
    source: '/srv/demo',
    sourceKind: 'path',
    base: 'main',
    verify: [],
    merge: false,
    trusted: false,
    concurrency: 1000,
    command: null,
  });
}

async function start(home: Home, options: StartOptions): Promise<Running> {
  const store = openSqliteStore({ path: home.database, clock: options.clock ?? systemClock });
  await store.start();
  const numbers = await numberServices(store, home);
  const services: Services = { ...makeServices(store, home, options), ...numbers.services };
  const app = await createHttpServer({
    services,
    hosts: options.hosts ?? [],
    ...(options.log === undefined ? {} : { log: options.log }),
    streams: options.streams ?? {},
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => (closing ??= app.close().then(() => numbers.stop()));
  const { port } = app.server.address() as AddressInfo;
  const call = (method: string, path: string, callOptions: CallOptions = {}): Promise<Answer> =>
    callServer(`${url}${path}`, method, callOptions);
  return { url, port, app, store, services, home, call, close, [Symbol.asyncDispose]: close };
}

function makeServices(store: Store, home: Home, options: StartOptions): Omit<Services, keyof Numbers> {
  const run = ({ jobId, number }: AttemptRef): string => home.runDirectory(jobId, number);
  const clock = options.clock ?? systemClock;
  return {
    store,
    clock,
    home,
    version: '0.0.0-test',
    bootId: newId('boot', clock.now()),
    authenticate: (token) => authenticate(store, token, clock.now()),
    readiness: () => options.readiness ?? { ready: true, phase: 'accept', degraded: [] },
    admission: async () => options.disk?.() ?? null,
    defaults: { agent: 'scripted', limits: DEFAULT_LIMITS, sessionMs: 3_600_000 },
    async registerRepository(input) {
      if (!(await stat(input.source).catch(() => null))?.isDirectory()) throw fail('not-a-repository', input.source);
      const rest = { verify: [], merge: false, trusted: false, concurrency: 3, command: null };
      return store.addRepository({ name: 'unnamed', base: 'main', sourceKind: 'path', ...rest, ...input });
    },
    removeRepository: (name, actor) => store.removeRepository(name, actor),
    async validateJob({ agent, command }) {
      if (!AGENTS.includes(agent)) throw fail('unknown-agent', agent);
      if (agent === 'exec' && command === null) throw fail('bad-request', 'agent exec needs a command');
    },
    ...callbackServices,
    ...pipelineServices,
    agentNames: () => AGENTS,
    clearLock: async (key, actor) => {
      const lock = (await store.listLocks()).find((one) => one.key === key);
      await store.clearLock({ key, seen: lock?.fence ?? null, actor });
    },
    removeJob: (job, actor) => store.removeJob({ id: job.id, actor }),
    cancelJob: (job, actor) => store.requestCancel(job.id, actor),
    releaseJob: (reference, actor) => store.releaseJob(reference, actor),
    diffJob: (job) => readFile(join(home.job(job.id), 'diff'), 'utf8').catch(() => ''),
    async receiveFile(job, { name, overwrite, declaredBytes, source }, actor) {
      const fault = faultOfFileName(name);
      if (fault !== null) throw fail('bad-file-name', fault);
      if ((declaredBytes ?? 0) > MAX_FILE_BYTES) throw fail('payload-too-large', 'declared');
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of source) {
        if ((size += chunk.length) > MAX_FILE_BYTES) throw fail('payload-too-large', 'sent');
        chunks.push(chunk);
      }
      const file = { jobId: job.id, name, sha256: hashOf(Buffer.concat(chunks)), size, overwrite, actor };
      const recorded = await store.recordJobFile({ ...file, perJob: 3 * MAX_FILE_BYTES });
      return { file: recorded.file, created: recorded.replaced === null };
    },
    dropFile: async (job, name, actor) => void (await store.dropJobFile({ jobId: job.id, name, actor })),
    renderTranscript: () => Readable.from(['live']),
    countTranscriptMismatch: () => undefined,
    outputPath: (attempt, stream) => join(run(attempt), stream === 'stdout' ? 'output' : 'stderr'),
    sentinelPath: (attempt) => join(run(attempt), 'sentinel.json'),
    readHeartbeat: (attempt) => readHeartbeat(join(run(attempt), 'sentinel.json')),
    isStalled: async () => false,
    watchOutput(attempt, _stream, onGrowth) {
      const watcher = watch(run(attempt), onGrowth);
      return () => watcher.close();
    },
    currentReport: () => options.report ?? null,
    doctor: async () => [{ name: 'node', ok: true, level: 'ok', detail: process.version, hint: null }],
    ...cleaningServices(store),
  };
}

/** The fixture's heartbeats are plain JSON. */
async function readHeartbeat(path: string): Promise<Heartbeat | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as Heartbeat);
}

/** The home's own token, own-job tokens as `job-token:<id>`, and those of the store. */
async function authenticate(store: Store, token: string, now: number): Promise<Caller | null> {
  if (token === ROOT_TOKEN) return { principal: 'local', jobId: null };
  const [kind, jobId] = token.split(':');
  if (kind === 'job-token' && jobId !== undefined) return { principal: `job:${jobId}`, jobId };
  const known = await store.findToken(hashToken(token));
  const counts = known !== null && known.revokedAt === null && (known.expiresAt ?? Infinity) > now;
  return !counts ? null : { principal: `token:${known.name}`, jobId: null };
}

function headersOf({ body, raw, token = ROOT_TOKEN, headers }: CallOptions): Record<string, string> {
  const type = raw?.type ?? (body === undefined ? undefined : 'application/json');
  return {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(type === undefined ? {} : { 'content-type': type }),
    ...headers,
  };
}

async function callServer(url: string, method: string, options: CallOptions): Promise<Answer> {
  const body = options.raw?.body ?? (options.body === undefined ? null : JSON.stringify(options.body));
  const response = await fetch(url, {
    method,
    headers: headersOf(options),
    body: (body as RequestInit['body']) ?? null,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

/** Like `call`, for headers fetch would not send (Host, Origin, Upgrade). */
export function callRaw(
  running: Pick<Running, 'port'>,
  options: CallOptions & { method?: string; path: string },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        port: running.port,
        host: '127.0.0.1',
        method: options.method ?? 'GET',
        path: options.path,
        headers: headersOf(options),
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const headers = new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
          resolve({ status: response.statusCode ?? 0, headers, text, json: () => JSON.parse(text) });
        });
      },
    );
    request.on('error', reject);
    request.end(options.raw?.body ?? (options.body === undefined ? undefined : JSON.stringify(options.body)));
  });
}

/** Submits a job and returns its view. */
export async function submit(running: Running, body: Record<string, unknown> = {}): Promise<JobView> {
  const answer = await running.call('POST', '/v1/jobs', { body: { repository: 'demo', prompt: 'work', ...body } });
  if (answer.status !== 201) throw new Error(`submit: ${answer.status} ${answer.text}`);
  return answer.json<JobView>();
}

/** An attempt that is at work, as its owner sees it. */
export interface Work {
  job: Job;
  attempt: Attempt;
  outputFile: string;
  print(data: string | Uint8Array, stream?: 'stdout' | 'stderr'): Promise<void>;
  /** Ends the attempt and the job. */
  finish(transition?: 'complete' | 'fail', exitCode?: number): Promise<Job>;
  /** Ends the attempt without a result; the job goes back into the queue. */
  interrupt(): Promise<Job>;
}

/** Claims the job and starts an attempt of it, as the dispatcher would. */
export async function work({ store, services, home }: Running, id: string): Promise<Work> {
  const boot = services.bootId;
  const claimed = await store.claimJobs({ boot, hostLimit: 1000, max: 1000 });
  const mine = claimed.find((job) => job.id === id);
  if (mine === undefined) throw new Error(`job ${id} was not there to be claimed`);
  const { fence } = mine;
  await mkdir(home.runDirectory(id, mine.attempts + 1), { recursive: true });
  const intended = await store.intendAttempt({ jobId: id, fence, mode: 'cold', sessionId: null, boot });
  const attempt = await store.moveAttempt({ id: intended.attempt.id, transition: 'attach', fence, actor: boot });
  const path = (stream: 'stdout' | 'stderr'): string => services.outputPath(attempt, stream);
  const settle = async (
    move: 'finish' | 'interrupt',
    job: 'complete' | 'fail' | 'interrupt',
    exitCode: number | null,
  ) => {
    const outcomes: Record<string, Outcome> = { complete: 'success', fail: 'failure' };
    const outcome = outcomes[job];
    const set = { exitCode, ...(outcome === undefined ? {} : { outcome }) };
    const settled = await store.settleAttempt(
      { id: attempt.id, transition: move, fence, actor: boot, set: { exitCode } },
      { id, transition: job, fence, actor: boot, set },
    );
    return settled.job;
  };
  return {
    job: intended.job,
    attempt,
    outputFile: path('stdout'),
    print: (data, stream = 'stdout') => appendFile(path(stream), data),
    finish: (transition = 'complete', exitCode = 0) => settle('finish', transition, exitCode),
    interrupt: () => settle('interrupt', 'interrupt', null),
  };
}

/** An open event stream. */
export interface Reading {
  response: Response;
  frames: AsyncGenerator<EventSourceMessage, void>;
  close(): void;
}

/** Opens an event stream; `frames` yields its messages until it ends or is closed. */
export async function openStream(
  running: Pick<Running, 'url'>,
  path: string,
  options: { lastEventId?: string; token?: string } = {},
): Promise<Reading> {
  const abort = new AbortController();
  const response = await fetch(`${running.url}${path}`, {
    headers: {
      authorization: `Bearer ${options.token ?? ROOT_TOKEN}`,
      accept: 'text/event-stream',
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
    },
    signal: abort.signal,
  });
  return { response, frames: readFrames(response), close: () => abort.abort() };
}

/** Waits until `look` gives a value; throws after a generous deadline. */
export async function until<T>(
  what: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
): Promise<T> {
  for (const end = performance.now() + 30_000; performance.now() < end;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain for ${what}`);
}

/** Checks that an answer is a problem of this status and code, of exactly the seven fields (and `error` in the batch API); returns it. */
export function asProblem(answer: Answer, status: number, code: string): Problem {
  const problem = answer.json<Problem>();
  const where = `${answer.status} ${answer.text}`;
  if (answer.status !== status || problem.status !== status || problem.code !== code) {
    throw new Error(`expected ${status} ${code}, got ${where}`);
  }
  if (answer.headers.get('content-type') !== 'application/problem+json; charset=utf-8') throw new Error(where);
  const { error, ...rest } = problem as Problem & { error?: string };
  const fields = Object.keys(rest).toSorted().join();
  if (fields !== 'code,detail,hint,instance,status,title,type') throw new Error(`fields ${fields}`);
  const expected = isBatchPath(problem.instance) ? problem.detail : undefined;
  if (error !== expected) throw new Error(`the text for clients of the batch API is ${error}`);
  for (const text of [problem.title, problem.detail, problem.hint]) if (text === '') throw new Error(where);
  if (/\bat .*\.(?:ts|js):\d/.test(answer.text)) throw new Error(`a stack leaked: ${where}`);
  return problem;
}
