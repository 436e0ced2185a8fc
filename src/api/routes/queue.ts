import type { Api, RouteContext } from '../api.ts';
import { DEFAULT_PAGE } from '../contract/common.ts';
import { queuePageSchema, queueQuerySchema } from '../contract/queue.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { readWaitingFacts } from '../explain-waiting.ts';
import { presentAdmission } from '../present-admission.ts';
import { viewJob } from '../view-job.ts';

const tags = ['queue'];

/** Adds GET /v1/queue. */
export function addQueueRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.get(
    '/v1/queue',
    {
      schema: {
        tags,
        summary: 'Queued jobs in their order, and whether work may begin',
        querystring: queueQuerySchema,
        response: { 200: queuePageSchema },
      },
    },
    async (request) => {
      const limit = request.query.limit ?? DEFAULT_PAGE;
      const from = Number(decodeCursor('queue', request.query.cursor) ?? 0);
      const jobs = await store.listQueue(from + limit + 1);
      const shown = jobs.slice(from, from + limit);
      const waiting = await readWaitingFacts(services, shown);
      const items = await Promise.all(
        shown.map((job, index) => viewJob(services, job, { queuePosition: from + index + 1, waiting, estimate: true })),
      );
      const nextCursor = jobs.length > from + limit ? encodeCursor('queue', from + limit) : null;
      return { items, nextCursor, admission: presentAdmission(await services.admission()) };
    },
  );
}
