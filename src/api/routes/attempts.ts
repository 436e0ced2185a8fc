import { fail } from '../../kernel/errors.ts';
import type { Attempt } from '../../lifecycle/attempt.ts';
import { jobOf, type Api, type RouteContext } from '../api.ts';
import { attemptPageSchema, attemptParamsSchema, attemptSchema, type AttemptView } from '../contract/attempt.ts';
import { DEFAULT_PAGE, jobParamsSchema, noQuerySchema } from '../contract/common.ts';
import { eventPageSchema, timelineQuerySchema } from '../contract/event.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { presentAttempt, presentEvent } from '../present.ts';
import type { Services } from '../services.ts';
import { sizeOf } from '../view-job.ts';

const tags = ['jobs'];

/** Adds what is recorded about a job's attempts: /attempts, /attempts/{number} and /timeline. */
export function addAttemptRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.get(
    '/v1/jobs/:id/attempts',
    {
      schema: {
        tags,
        summary: 'List the attempts of a job, oldest first',
        params: jobParamsSchema,
        querystring: noQuerySchema,
        response: { 200: attemptPageSchema },
      },
    },
    async (request) => {
      const attempts = await store.listAttempts(jobOf(request).id);
      return { items: await Promise.all(attempts.map((attempt) => viewAttempt(services, attempt))), nextCursor: null };
    },
  );

  app.get(
    '/v1/jobs/:id/attempts/:number',
    {
      schema: {
        tags,
        summary: 'Show an attempt',
        params: attemptParamsSchema,
        querystring: noQuerySchema,
        response: { 200: attemptSchema },
      },
    },
    async (request) => {
      const job = jobOf(request);
      const attempt = await store.getAttempt(job.id, request.params.number);
      if (attempt === null) throw fail('not-found', `job ${job.number} has no attempt ${request.params.number}`);
      return viewAttempt(services, attempt);
    },
  );

  app.get(
    '/v1/jobs/:id/timeline',
    {
      schema: {
        tags,
        summary: 'Everything recorded about a job, oldest first',
        params: jobParamsSchema,
        querystring: timelineQuerySchema,
        response: { 200: eventPageSchema },
      },
    },
    async (request) => {
      const limit = request.query.limit ?? DEFAULT_PAGE;
      const after = Number(decodeCursor('timeline', request.query.cursor) ?? 0);
      const events = await store.listEvents({ after, jobId: jobOf(request).id, limit: limit + 1 });
      const items = events.slice(0, limit).map(presentEvent);
      const last = items.at(-1);
      return { items, nextCursor: events.length > limit && last ? encodeCursor('timeline', last.seq) : null };
    },
  );
}

async function viewAttempt(services: Services, attempt: Attempt): Promise<AttemptView> {
  const stalled = await services.isStalled(attempt);
  const outputFile = services.outputPath(attempt, 'stdout');
  const view = presentAttempt(attempt, { outputFile, stalled });
  // While it runs the file is ahead of what was recorded of it.
  return attempt.state === 'running' ? { ...view, outputBytes: await sizeOf(outputFile) } : view;
}
