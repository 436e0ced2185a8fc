import { fail } from '../../kernel/errors.ts';
import { acceptJob } from '../accept-job.ts';
import { callerOf, jobOf, type Api, type RouteContext } from '../api.ts';
import { jobParamsSchema, noBodySchema, noQuerySchema, showTime } from '../contract/common.ts';
import { creatingHeadersSchema } from '../contract/common.ts';
import type { NewJobBody } from '../contract/job.ts';
import {
  BATCH_TAGS,
  batchJobQuerySchema,
  batchJobSchema,
  batchJobsSchema,
  batchSentinelSchema,
  createdBatchJobSchema,
  newBatchJobSchema,
  removedBatchJobSchema,
  startedBatchJobSchema,
  type NewBatchJobBody,
} from './contract.ts';
import { listIgnored } from './ignored.ts';
import { listBatchJobs } from './list-jobs.ts';
import { presentBatchJob, sessionOf } from './present.ts';
import { readOutput } from './read-output.ts';
import { statusOf } from './status.ts';

/** Adds the routes of /jobs. */
export function addBatchJobRoutes(app: Api, context: RouteContext): void {
  addCreation(app, context);
  addReads(app, context);
  addCommands(app, context);
  addRemoval(app, context);
  addSentinel(app, context);
}

function addCreation(app: Api, { services }: RouteContext): void {
  app.post(
    '/jobs',
    {
      schema: {
        tags: BATCH_TAGS,
        summary: 'Create a job; it stays `created` until it is started',
        headers: creatingHeadersSchema,
        querystring: noQuerySchema,
        body: newBatchJobSchema,
        response: { 201: createdBatchJobSchema },
      },
    },
    async (request, reply) => {
      const { job, replayed } = await acceptJob(services, {
        body: translate(request.body),
        principal: callerOf(request).principal,
        idempotencyKey: request.headers['idempotency-key'] ?? null,
      });
      if (replayed) reply.header('idempotency-replayed', 'true');
      const ignored = [
        ...listIgnored(request.body, ['prompt', 'repository', 'options']),
        ...listIgnored(request.body.options ?? {}, ['agentEngine', 'timeout'], 'options.'),
      ];
      return reply.code(201).send({ jobId: job.id, sessionId: sessionOf(job), status: statusOf(job.state), ignored });
    },
  );
}

/** The same job in the words of POST /v1/jobs. */
function translate({ prompt, repository, options }: NewBatchJobBody): NewJobBody {
  return {
    repository,
    prompt,
    start: false,
    ...(options?.agentEngine === undefined ? {} : { agent: options.agentEngine }),
    ...(options?.timeout === undefined ? {} : { limits: { wallMs: Math.round(options.timeout * 1000) } }),
  };
}

function addReads(app: Api, { services }: RouteContext): void {
  app.get(
    '/jobs',
    {
      schema: {
        tags: BATCH_TAGS,
        summary: 'List jobs, newest first; queued ones in the order of the queue',
        querystring: batchJobQuerySchema,
        response: { 200: batchJobsSchema },
      },
    },
    async (request) => listBatchJobs(services, request.query),
  );

  app.get(
    '/jobs/:id',
    {
      schema: {
        tags: BATCH_TAGS,
        summary: 'Show a job with its output so far',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: { 200: batchJobSchema },
      },
    },
    async (request) => {
      const job = jobOf(request);
      const position = job.state === 'queued' ? await services.store.getQueuePosition(job.id) : null;
      return { ...presentBatchJob(job, position), ...(await readOutput(services, job)) };
    },
  );
}

function addCommands(app: Api, { services }: RouteContext): void {
  const { store } = services;
  const schema = {
    tags: BATCH_TAGS,
    params: jobParamsSchema,
    querystring: noQuerySchema,
    body: noBodySchema,
    response: { 200: startedBatchJobSchema },
  };

  app.post('/jobs/:id/start', { schema: { ...schema, summary: 'Queue a created job' } }, async (request) => {
    const actor = callerOf(request).principal;
    const job = await store.moveJob({ id: jobOf(request).id, transition: 'start', fence: null, actor });
    const queuePosition = await store.getQueuePosition(job.id);
    return { jobId: job.id, status: statusOf(job.state), queuePosition };
  });

  app.post('/jobs/:id/cancel', { schema: { ...schema, summary: 'Cancel a job' } }, async (request) => {
    const job = await services.cancelJob(jobOf(request), callerOf(request).principal);
    return { jobId: job.id, status: statusOf(job.state), queuePosition: null };
  });
}

function addRemoval(app: Api, { services }: RouteContext): void {
  app.delete(
    '/jobs/:id',
    {
      schema: {
        tags: BATCH_TAGS,
        summary: 'Remove an ended or created job with everything it left',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 200: removedBatchJobSchema },
      },
    },
    async (request) => {
      const job = jobOf(request);
      await services.removeJob(job, callerOf(request).principal);
      return { jobId: job.id, success: true as const };
    },
  );
}

function addSentinel(app: Api, { services }: RouteContext): void {
  app.get(
    '/jobs/:id/sentinel',
    {
      schema: {
        tags: BATCH_TAGS,
        summary: "The heartbeat of a job's newest attempt, as its keeper wrote it",
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: { 200: batchSentinelSchema },
      },
    },
    async (request) => {
      const job = jobOf(request);
      const attempt = job.attempts === 0 ? null : await services.store.getAttempt(job.id, job.attempts);
      const heartbeat = attempt === null ? null : await services.readHeartbeat(attempt);
      if (attempt === null || heartbeat === null) throw fail('not-found', `job ${job.number} has no sentinel`);
      return {
        jobId: job.id,
        attempt: attempt.number,
        lastHeartbeat: showTime(heartbeat.lastHeartbeatAt),
        health: heartbeat.health,
        pid: heartbeat.pid,
        startTime: heartbeat.startTime,
        adaptorEngine: heartbeat.agent,
        sessionId: heartbeat.sessionId,
        outputBytes: heartbeat.outputBytes,
      };
    },
  );
}
