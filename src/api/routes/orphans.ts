import { callerOf, type Api, type RouteContext } from '../api.ts';
import { noQuerySchema } from '../contract/common.ts';
import {
  DEFAULT_ORPHANS,
  orphanListSchema,
  orphanQuerySchema,
  repairBodySchema,
  repairSchema,
} from '../contract/orphan.ts';

const tags = ['recovery'];

/** Adds the look for orphans and the repair of those that are named. */
export function addOrphanRoutes(app: Api, { services }: RouteContext): void {
  app.get(
    '/v1/orphans',
    {
      schema: {
        tags,
        summary: 'Look for what belongs to nothing any more; changes nothing',
        querystring: orphanQuerySchema,
        response: { 200: orphanListSchema },
      },
    },
    async (request) => services.listOrphans(request.query.limit ?? DEFAULT_ORPHANS),
  );

  app.post(
    '/v1/orphans/repair',
    {
      schema: {
        tags,
        summary: 'Act on named orphans; a dry run unless told otherwise',
        querystring: noQuerySchema,
        body: repairBodySchema,
        response: { 200: repairSchema },
      },
    },
    async (request) => {
      const { ids, dryRun = true } = request.body;
      const { principal } = callerOf(request);
      return { dryRun, items: await services.repairOrphans({ ids, dryRun, actor: principal }) };
    },
  );
}
