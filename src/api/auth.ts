/** Who may call: the token, the scope of an agent's own-job token, and the limit on failed attempts. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { toIso } from '../kernel/clock.ts';
import { fail, type HoldfastError } from '../kernel/errors.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Api, Caller } from './api.ts';
import { pathOf } from './api.ts';
import type { Services } from './services.ts';

/** Failed attempts of one address within a minute before it gets 429; calls with a valid token are never counted. */
const MAX_FAILURES = 300;
const FAILURE_WINDOW_MS = 60_000;

/** Names under which people put a token into an address, where logs and histories keep it. */
const QUERY_TOKEN = /^(?:access_?token|auth|authorization|bearer|api_?key|token)$/i;

/** Routes of one job all start like this. */
const JOB_ROUTE = '/v1/jobs/:id';
const BATCH_JOB_ROUTE = '/jobs/:id';

/** Adds the check of the token to every route that is not public. Needs the rate limiter to be registered. */
export function addAuthentication(app: Api, services: Services): void {
  const countFailure = app.createRateLimit({ max: MAX_FAILURES, timeWindow: FAILURE_WINDOW_MS });
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.public === true) return;
    request.caller = await authenticate(request, services);
    if (request.caller !== null) {
      refuseOutOfScope(request, request.caller);
      return;
    }
    const limit = await countFailure(request);
    if (!limit.isAllowed && limit.isExceeded) {
      reply.header('retry-after', limit.ttlInSeconds);
      throw fail('rate-limited', 'too many attempts without a valid token');
    }
    throw refuseToken(reply);
  });
}

/** One answer whether the token is missing, wrong or revoked: it tells a stranger nothing. */
function refuseToken(reply: FastifyReply): HoldfastError {
  reply.header('www-authenticate', 'Bearer');
  return fail('unauthorised', 'this route needs a valid bearer token in the Authorization header');
}

async function authenticate(request: FastifyRequest, services: Services): Promise<Caller | null> {
  const inQuery = Object.keys(request.query ?? {}).some((name) => QUERY_TOKEN.test(name));
  const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
  // A missing token takes the same path as a wrong one, so that both take the same time.
  const caller = await services.authenticate(token ?? '');
  return token === undefined || inQuery ? null : caller;
}

/** An own-job token reads its job, and does for it what a route expressly allows: no list, no other job, no other write. */
function refuseOutOfScope(request: FastifyRequest, caller: Caller): void {
  if (caller.jobId === null) return;
  const route = request.routeOptions.url ?? '';
  const isJobRoute = route === JOB_ROUTE || route.startsWith(`${JOB_ROUTE}/`);
  if (isJobRoute && request.routeOptions.config.byJob === true) return;
  if (!isJobRoute || (request.method !== 'GET' && request.method !== 'HEAD')) {
    throw fail('forbidden', `the token of a job may only read that job, not ${request.method} ${pathOf(request)}`);
  }
}

/** Loads the job a route names before its handler runs. A job the caller may not see is as absent as one that is not. */
export function addJobLoading(app: Api, services: Services): void {
  app.addHook('preHandler', async (request) => {
    const route = request.routeOptions.url ?? '';
    if (!route.startsWith(JOB_ROUTE) && !route.startsWith(BATCH_JOB_ROUTE)) return;
    const { id: reference } = request.params as { id: string };
    const job = await findVisible(services, reference, request.caller?.jobId ?? null);
    if (job === null) throw await failMissing(services, reference, request.caller);
    request.job = job;
  });
}

/** Whoever may see every job is told of a removed one when it went. */
async function failMissing(services: Services, reference: string, caller: Caller | null): Promise<HoldfastError> {
  const isId = /^(job_)?[0-9a-z]{1,64}$/.test(reference);
  const removed = isId && caller?.jobId === null ? await services.store.findTombstone(reference) : null;
  if (removed === null || removed.number === null) return fail('job-not-found', `no job "${reference}"`);
  return fail('gone', `job ${removed.number} was removed at ${toIso(removed.removedAt)}`);
}

async function findVisible(services: Services, reference: string, scope: string | null): Promise<Job | null> {
  if (!/^[A-Za-z0-9_]{1,64}$/.test(reference)) return null;
  if (scope === null) return services.store.findJob(reference);
  const own = await services.store.getJob(scope);
  return own !== null && (own.id === reference || String(own.number) === reference) ? own : null;
}
