/** Types every route file shares; the one place that tells the HTTP framework what we hang on its request. */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { fail } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Services } from './services.ts';

export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Who calls: `jobId` is set for an agent's own-job token, which may only read that job. */
export interface Caller {
  principal: string;
  jobId: string | null;
}

/** What routes are given beside the services. */
export interface RouteContext {
  services: Services;
  log: Log;
  /** Aborted when the server stops: every open stream ends. */
  stopping: AbortSignal;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
    /** The job of a route below /v1/jobs/{id}. */
    job: Job | null;
  }
  interface FastifyContextConfig {
    /** Answers without a token. */
    public?: true;
    /** A route of one job that its own token may call, although it is no read. */
    byJob?: true;
    /** Answers while the server is still recovering. */
    whileRecovering?: true;
    /** Its body may take as long as it keeps coming. */
    slowBody?: true;
  }
}

/** Returns the job the request names. */
export function jobOf(request: FastifyRequest): Job {
  if (request.job === null) throw fail('internal', 'a job route ran before its job was loaded');
  return request.job;
}

/** Returns who calls. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw fail('internal', 'a route ran before its caller was known');
  return request.caller;
}

/** Returns the path of a request without its query, which may hold what does not belong in a log. */
export function pathOf(request: { url: string }): string {
  return request.url.split('?', 1)[0] ?? '';
}
