import { callerOf, type Api, type RouteContext } from '../api.ts';
import { noBodySchema, noQuerySchema } from '../contract/common.ts';
import { leasePageSchema, lockPageSchema, lockParamsSchema } from '../contract/queue.ts';
import { listLeases } from '../list-leases.ts';
import { nothing } from '../openapi.ts';
import { presentDamagedLock, presentLock } from '../present.ts';

const tags = ['queue'];

/** Adds GET /v1/locks and /v1/leases, and DELETE of a lock. */
export function addLockRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.get(
    '/v1/locks',
    {
      schema: {
        tags,
        summary: 'Locks and who holds them',
        querystring: noQuerySchema,
        response: { 200: lockPageSchema },
      },
    },
    async () => {
      const damaged = await store.listDamagedLocks();
      const isDamaged = new Set(damaged.map(({ key }) => key));
      const sound = (await store.listLocks()).filter(({ key }) => !isDamaged.has(key));
      return { items: [...sound.map(presentLock), ...damaged.map(presentDamagedLock)], nextCursor: null };
    },
  );

  app.delete(
    '/v1/locks/:key',
    {
      schema: {
        tags,
        summary: 'Take away a lock nothing alive holds, damaged or not',
        params: lockParamsSchema,
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      await services.clearLock(request.params.key, callerOf(request).principal);
      return reply.code(204).send();
    },
  );

  app.get(
    '/v1/leases',
    {
      schema: {
        tags,
        summary: 'Long-lived rights of jobs at work',
        querystring: noQuerySchema,
        response: { 200: leasePageSchema },
      },
    },
    async () => ({ items: await listLeases(services), nextCursor: null }),
  );
}
