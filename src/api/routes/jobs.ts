import type { JobQuery } from '../../store/store.ts';
import { acceptJob } from '../accept-job.ts';
import { callerOf, jobOf, type Api, type RouteContext } from '../api.ts';
import {
  creatingHeadersSchema,
  DEFAULT_PAGE,
  jobParamsSchema,
  noBodySchema,
  noQuerySchema,
} from '../contract/common.ts';
import { jobPageSchema, jobQuerySchema, jobSchema, newJobSchema } from '../contract/job.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { nothing, textOf } from '../openapi.ts';
import { listJobViews, viewJob } from '../view-job.ts';
import { withLegal } from '../with-legal.ts';

const tags = ['jobs'];
const START = 'Queue a held job, or let one go that waits for others';
const FIXUP = 'Reopen the work of a pipeline into its implementation, with a new budget';

/** Adds the routes of /v1/jobs that read and command jobs. */
export function addJobRoutes(app: Api, context: RouteContext): void {
  addSubmission(app, context);
  addReads(app, context);
  addCommands(app, context);
}

function addSubmission(app: Api, { services }: RouteContext): void {
  app.post(
    '/v1/jobs',
    {
      schema: {
        tags,
        summary: 'Submit a job; the answer means that it is durable',
        headers: creatingHeadersSchema,
        querystring: noQuerySchema,
        body: newJobSchema,
        response: { 201: jobSchema },
      },
    },
    async (request, reply) => {
      const { job, prompt, replayed } = await acceptJob(services, {
        body: request.body,
        principal: callerOf(request).principal,
        idempotencyKey: request.headers['idempotency-key'] ?? null,
      });
      if (replayed) reply.header('idempotency-replayed', 'true');
      return reply.code(201).send(await viewJob(services, job, { prompt }));
    },
  );
}

function addReads(app: Api, { services }: RouteContext): void {
  app.get(
    '/v1/jobs',
    {
      schema: {
        tags,
        summary: 'List jobs, newest first',
        querystring: jobQuerySchema,
        response: { 200: jobPageSchema },
      },
    },
    async (request) => {
      const { state, repository, cursor, limit } = request.query;
      const query: JobQuery & { limit: number } = { limit: limit ?? DEFAULT_PAGE };
      if (state !== undefined) query.state = state;
      if (repository !== undefined) query.repository = repository;
      const from = decodeCursor('jobs', cursor);
      if (from !== null) query.cursor = from;
      const page = await listJobViews(services, query);
      return { ...page, nextCursor: page.nextCursor === null ? null : encodeCursor('jobs', page.nextCursor) };
    },
  );

  app.get(
    '/v1/jobs/:id',
    {
      schema: {
        tags,
        summary: 'Show a job',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: { 200: jobSchema },
      },
    },
    async (request) => viewJob(services, jobOf(request), { estimate: true }),
  );

  app.get(
    '/v1/jobs/:id/diff',
    {
      schema: {
        tags,
        summary: 'Unified diff of the workspace against its base, uncommitted and untracked files included',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: textOf('text/x-diff', 'The diff; empty when nothing changed.'),
      },
    },
    async (request, reply) => {
      const diff = await services.diffJob(jobOf(request));
      return reply.type('text/x-diff; charset=utf-8').send(diff);
    },
  );
}

function addCommands(app: Api, { services }: RouteContext): void {
  const { store } = services;
  const schema = {
    tags,
    params: jobParamsSchema,
    querystring: noQuerySchema,
    body: noBodySchema,
    response: { 200: jobSchema },
  };

  app.post('/v1/jobs/:id/start', { schema: { ...schema, summary: START } }, async (request) => {
    const actor = callerOf(request).principal;
    const { id } = jobOf(request);
    const job = await withLegal(services, jobOf(request), () =>
      store.moveJob({ id, transition: 'start', fence: null, actor }),
    );
    return viewJob(services, job);
  });

  app.post('/v1/jobs/:id/cancel', { schema: { ...schema, summary: 'Cancel a job' } }, async (request) => {
    const job = jobOf(request);
    const actor = callerOf(request).principal;
    return viewJob(services, await withLegal(services, job, () => services.cancelJob(job, actor)));
  });

  for (const [verb, summary] of [
    ['freeze', 'Let no further attempt of a job begin; one that was begun goes on'],
    ['unfreeze', 'Let a frozen job have its turn again, at its old place'],
  ] as const) {
    app.post(`/v1/jobs/:id/${verb}`, { schema: { ...schema, summary } }, async (request) => {
      const actor = callerOf(request).principal;
      const job = jobOf(request);
      const freeze = { id: job.id, frozen: verb === 'freeze', actor };
      return viewJob(services, await withLegal(services, job, () => store.freezeJob(freeze)));
    });
  }

  app.delete(
    '/v1/jobs/:id',
    {
      schema: {
        tags,
        summary: 'Remove an ended job with its workspace, output and events; its number and id are never used again',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const job = jobOf(request);
      await withLegal(services, job, () => services.removeJob(job, callerOf(request).principal));
      return reply.code(204).send();
    },
  );

  const reopen = { retry: 'Queue an ended or blocked job again, with a new budget', fixup: FIXUP } as const;
  for (const [transition, summary] of Object.entries(reopen) as [keyof typeof reopen, string][]) {
    app.post(`/v1/jobs/:id/${transition}`, { schema: { ...schema, summary } }, async (request) => {
      const actor = callerOf(request).principal;
      const move = { id: jobOf(request).id, transition, fence: null, actor } as const;
      return viewJob(services, await withLegal(services, jobOf(request), () => store.moveJob(move)));
    });
  }
}
