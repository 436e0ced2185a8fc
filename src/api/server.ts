/**
 * The HTTP interface of 05: routes, contract and event streams over the port `Services`. Owns the protocol (who may
 * call, what a body may hold, what an error looks like) and nothing else: it starts no process, reads no git, keeps no
 * state of its own, and reaches the rest of the server through `Services` only.
 */
import fastifyHelmet from '@fastify/helmet';
import fastifyRateLimit from '@fastify/rate-limit';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyServerOptions } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { fail, type HoldfastError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import { pathOf, type Api, type RouteContext } from './api.ts';
import { addAuthentication, addJobLoading } from './auth.ts';
import { answerBrokenRequest } from './broken-request.ts';
import { refuseOrigin } from './host-guard.ts';
import { addJsonBody, MAX_BODY_BYTES } from './json-body.ts';
import { collectRoutes } from './openapi.ts';
import { classify, PROBLEM_TYPE, toProblem } from './problem.ts';
import { addReadyGate } from './ready-gate.ts';
import { addBackupRoutes } from './routes/backups.ts';
import { addBatchRoutes, isBatchPath } from './batch/routes.ts';
import { addAccountRoutes } from './routes/accounts.ts';
import { addAttemptRoutes } from './routes/attempts.ts';
import { addRequestTimeout, REQUEST_TIMEOUT_MS } from './request-timeout.ts';
import { addDeliveryRoutes } from './routes/deliveries.ts';
import { addEventRoute } from './routes/events.ts';
import { addFileRoutes } from './routes/files.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addLockRoutes } from './routes/locks.ts';
import { addOutputRoute } from './routes/output.ts';
import { addQuarantineRoutes } from './routes/quarantine.ts';
import { addQueueRoutes } from './routes/queue.ts';
import { addRecoveryRoutes } from './routes/recovery.ts';
import { addRepositoryRoutes } from './routes/repositories.ts';
import { addOrphanRoutes } from './routes/orphans.ts';
import { addResourceRoutes } from './routes/resources.ts';
import { addServerRoutes } from './routes/server.ts';
import { addStatisticsRoute } from './routes/statistics.ts';
import { addStreamRoute } from './routes/stream.ts';
import { addLedgerRoutes } from './routes/ledger.ts';
import { addResultRoutes } from './routes/results.ts';
import { addTranscriptRoute } from './routes/transcript.ts';
import { addTokenRoutes } from './routes/tokens.ts';
import type { Services } from './services.ts';
import { Streams } from './sse.ts';
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from './stream-limits.ts';

/** The kernel asks a silent connection after this whether anybody is there, and ends one nobody answers for. */
const KEEP_ALIVE_MS = 30_000;
/** Time an answer under way has to reach its client when the server stops. */
const STOP_GRACE_MS = 1000;

export interface HttpServerOptions {
  services: Services;
  /** Host values allowed beside those of this machine. */
  hosts: readonly string[];
  log?: Log;
  /** PEM certificate and key: the port speaks https then. */
  tls?: { cert: string; key: string };
  /** Default: those of stream-limits.ts. */
  streams?: Partial<StreamLimits>;
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Returns the server, ready to listen; hooks may still be added. `close()` ends every open stream. */
export async function createHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { services, hosts, log = silent } = options;
  const stop = new AbortController();
  const context: RouteContext = { services, log, stopping: stop.signal };
  const server: FastifyServerOptions = {
    bodyLimit: MAX_BODY_BYTES,
    // Headers by Node's limit, bodies by ours: see request-timeout.ts.
    requestTimeout: 0,
    // A name of 255 bytes may be three times as long in an address.
    routerOptions: { maxParamLength: 1024 },
    // A request that arrives while we stop gets the same form of error as any other, from the ready gate.
    return503OnClosing: false,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      sendProblem(reply, error, { path: pathOf(request), log });
    },
  };
  const limits = { headersTimeout: REQUEST_TIMEOUT_MS, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  // Plain and TLS servers differ in their type only, and nothing here looks at it.
  const listener = options.tls === undefined ? { http: limits } : { https: { ...options.tls, ...limits } };
  const app: Api = Fastify({ ...server, ...(listener as object) }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  addErrors(app, log);
  addJsonBody(app);
  addRequestFields(app);
  addStop(app, stop);
  addRequestTimeout(app);

  await addSecurityHeaders(app);
  addHostGuard(app, hosts);
  await app.register(fastifyRateLimit, { global: false });
  addAuthentication(app, services);
  addReadyGate(app, context);
  addJobLoading(app, services);
  addRequestLog(app, log);
  await collectRoutes(app, services.version);
  addRoutes(app, context, new Streams(context, { ...DEFAULT_STREAM_LIMITS, ...options.streams }));
  return app;
}

function addRoutes(app: Api, context: RouteContext, streams: Streams): void {
  addServerRoutes(app, context);
  addRepositoryRoutes(app, context);
  addJobRoutes(app, context);
  addFileRoutes(app, context);
  addAttemptRoutes(app, context);
  addOutputRoute(app, context);
  addTranscriptRoute(app, context);
  addLedgerRoutes(app, context);
  addResultRoutes(app, context);
  addStreamRoute(app, context, streams);
  addEventRoute(app, context, streams);
  addQueueRoutes(app, context);
  addLockRoutes(app, context);
  addRecoveryRoutes(app, context);
  addQuarantineRoutes(app, context);
  addTokenRoutes(app, context);
  addAccountRoutes(app, context);
  addBatchRoutes(app, context);
  addResourceRoutes(app, context);
  addDeliveryRoutes(app, context);
  addOrphanRoutes(app, context);
  addStatisticsRoute(app, context);
  addBackupRoutes(app, context);
}

/**
 * A stop waits for no client: streams end at once, answers under way get a moment, and every other connection is cut,
 * also one that never asked for anything, which Node would keep open for a minute.
 */
function addStop(app: Api, stop: AbortController): void {
  let answering = 0;
  const cutIdle = (): void => {
    if (answering === 0 && stop.signal.aborted) app.server.closeAllConnections();
  };
  app.addHook('onRequest', async (_request, reply) => {
    answering++;
    reply.raw.once('close', () => {
      answering--;
      cutIdle();
    });
  });
  app.addHook('preClose', async () => {
    stop.abort();
    setImmediate(cutIdle);
    setTimeout(() => app.server.closeAllConnections(), STOP_GRACE_MS).unref();
  });
}

function addRequestFields(app: Api): void {
  app.decorateRequest('caller', null);
  app.decorateRequest('job', null);
}

function addErrors(app: Api, log: Log): void {
  app.setErrorHandler((error, request, reply) => sendProblem(reply, error, { path: pathOf(request), log }));
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request);
    const error = fail('not-found', `no route ${request.method} ${path}`, {
      hint: 'GET /openapi.json lists every route.',
    });
    return sendProblem(reply, error, { path, log });
  });
}

function sendProblem(reply: FastifyReply, thrown: unknown, about: { path: string; log: Log }): FastifyReply {
  const error = classify(thrown);
  if (error.status >= 500 && error.code !== 'not-ready') {
    about.log.error('request failed', { path: about.path, code: error.code, error: describe(error) });
  }
  const problem = toProblem(error, about.path);
  // Clients of the batch API look for one text.
  const body = isBatchPath(about.path) ? { ...problem, error: error.detail } : problem;
  return reply.code(error.status).type(PROBLEM_TYPE).send(JSON.stringify(body));
}

/** What a log may hold of an error: where it came from, never a request's body or headers. */
function describe(error: HoldfastError): string {
  const cause = error.cause ?? error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : messageOf(cause);
}

async function addSecurityHeaders(app: Api): Promise<void> {
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'script-src': ["'self'"],
        'style-src': ["'self'"],
        'img-src': ["'self'", 'data:'],
        'connect-src': ["'self'"],
        'font-src': ["'self'"],
        'frame-ancestors': ["'none'"],
        'base-uri': ["'none'"],
        'form-action': ["'self'"],
      },
    },
    frameguard: { action: 'deny' },
    // Plain HTTP on loopback: a browser would apply it to every other port of this name.
    hsts: false,
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });
}

function addHostGuard(app: Api, hosts: readonly string[]): void {
  app.addHook('onRequest', async ({ headers }) => {
    const site = headers['sec-fetch-site'];
    const why = refuseOrigin(
      { host: headers.host ?? null, origin: headers.origin ?? null, fetchSite: typeof site === 'string' ? site : null },
      hosts,
    );
    if (why !== null) throw fail('forbidden', why);
  });
}

/** Never the query, a header, a body or a prompt. Reads are routine; what changes something is worth a line. */
function addRequestLog(app: Api, log: Log): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request;
    const line = { method, path: pathOf(request), status: reply.statusCode, ms: Math.round(reply.elapsedTime) };
    const level = method === 'GET' || method === 'HEAD' ? 'debug' : 'info';
    log[level]('request', { ...line, principal: request.caller?.principal ?? null });
  });
}
