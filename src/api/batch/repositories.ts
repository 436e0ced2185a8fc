import { failpoint } from '../../kernel/failpoints.ts';
import type { Api, RouteContext } from '../api.ts';
import { noQuerySchema } from '../contract/common.ts';
import { BATCH_TAGS, batchRepositoriesSchema, registeredSchema, registerSchema } from './contract.ts';
import { listIgnored } from './ignored.ts';
import { presentBatchRepository } from './present.ts';

/** Adds POST /repositories/register and GET /repositories. */
export function addBatchRepositoryRoutes(app: Api, { services }: RouteContext): void {
  app.post(
    '/repositories/register',
    {
      schema: {
        tags: BATCH_TAGS,
        summary: 'Register a repository; it is cloned in the background',
        querystring: noQuerySchema,
        body: registerSchema,
        response: { 201: registeredSchema },
      },
    },
    async (request, reply) => {
      const { name, gitUrl } = request.body;
      const { repository } = await services.registerRepository({ name, source: gitUrl });
      failpoint('api.after-settings');
      const ignored = listIgnored(request.body, ['name', 'gitUrl']);
      return reply.code(201).send({ ...presentBatchRepository(repository), ignored });
    },
  );

  app.get(
    '/repositories',
    {
      schema: {
        tags: BATCH_TAGS,
        summary: 'List repositories',
        querystring: noQuerySchema,
        response: { 200: batchRepositoriesSchema },
      },
    },
    async () => ({ repositories: (await services.store.listRepositories()).map(presentBatchRepository) }),
  );
}
