import { fail } from '../../kernel/errors.ts';
import { callerOf, jobOf, type Api, type RouteContext } from '../api.ts';
import {
  DEFAULT_PAGE,
  creatingHeadersSchema,
  jobParamsSchema,
  noBodySchema,
  noQuerySchema,
} from '../contract/common.ts';
import {
  newResourceSchema,
  presentResource,
  removeResourceQuerySchema,
  resourceIdSchema,
  resourcePageSchema,
  resourceParamsSchema,
  resourceQuerySchema,
  resourceSchema,
} from '../contract/resource.ts';
import { creationRequest } from '../creation-request.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { Services } from '../services.ts';

const tags = ['resources'];

/** Adds what registers, lists and removes the external resources of jobs. */
export function addResourceRoutes(app: Api, { services }: RouteContext): void {
  app.post(
    '/v1/jobs/:id/resources',
    {
      config: { byJob: true },
      schema: {
        tags,
        summary: 'Register something outside that must not outlive the job; also with the token of the job',
        headers: creatingHeadersSchema,
        params: jobParamsSchema,
        querystring: noQuerySchema,
        body: newResourceSchema,
        response: { 201: resourceSchema },
      },
    },
    async (request, reply) => {
      const { principal, jobId } = callerOf(request);
      const job = jobOf(request);
      const creation = creationRequest(request, { job: job.id, ...request.body });
      const first = creation === null ? null : await services.store.findRegistered(creation);
      if (first !== null) {
        // What it names may be gone by now, and is not looked for again.
        reply.header('idempotency-replayed', 'true');
        return reply.code(201).send(presentResource(first));
      }
      const wish = { ...request.body, job, principal, byJob: jobId !== null, request: creation };
      const resource = await services.registerResource(wish);
      return reply.code(201).send(presentResource(resource));
    },
  );

  app.get(
    '/v1/jobs/:id/resources',
    {
      schema: {
        tags,
        summary: 'List the resources of a job, removed ones too',
        params: jobParamsSchema,
        querystring: resourceQuerySchema,
        response: { 200: resourcePageSchema },
      },
    },
    async (request) => listPage(services, { ...request.query, jobId: jobOf(request).id }),
  );

  app.get(
    '/v1/resources',
    {
      schema: {
        tags,
        summary: 'List what is not removed, of all jobs',
        querystring: resourceQuerySchema,
        response: { 200: resourcePageSchema },
      },
    },
    async (request) => listPage(services, request.query),
  );

  addResource(app, services);
  addRemoval(app, services);
}

function addResource(app: Api, services: Services): void {
  app.get(
    '/v1/resources/:resource',
    {
      schema: {
        tags,
        summary: 'Show a resource',
        params: resourceIdSchema,
        querystring: noQuerySchema,
        response: { 200: resourceSchema },
      },
    },
    async (request) => {
      const resource = await services.store.getResource(request.params.resource);
      if (resource === null) throw fail('not-found', `there is no resource "${request.params.resource}"`);
      return presentResource(resource);
    },
  );
}

async function listPage(
  { store }: Services,
  query: { jobId?: string; cursor?: string | undefined; limit?: number | undefined },
) {
  const name = `resources ${query.jobId ?? ''}`;
  const from = decodeCursor(name, query.cursor);
  const page = await store.listResources({
    limit: query.limit ?? DEFAULT_PAGE,
    ...(query.jobId === undefined ? {} : { jobId: query.jobId }),
    ...(from === null ? {} : { cursor: from }),
  });
  const nextCursor = page.nextCursor === null ? null : encodeCursor(name, page.nextCursor);
  return { items: page.items.map(presentResource), nextCursor };
}

function addRemoval(app: Api, services: Services): void {
  const { store } = services;
  app.delete(
    '/v1/jobs/:id/resources/:resource',
    {
      config: { byJob: true },
      schema: {
        tags,
        summary: 'Remove a resource now; the answer says `failed` with the reason when that did not work',
        params: resourceParamsSchema,
        querystring: removeResourceQuerySchema,
        body: noBodySchema,
        response: { 200: resourceSchema },
      },
    },
    async (request) => {
      const { principal, jobId } = callerOf(request);
      const resource = await store.getResource(request.params.resource);
      if (resource === null || resource.jobId !== jobOf(request).id) {
        throw fail('not-found', `the job has no resource "${request.params.resource}"`);
      }
      if (resource.state === 'removed') return presentResource(resource);
      if (request.query.forget !== 'true') return presentResource(await services.removeResource(resource, principal));
      if (jobId !== null) throw fail('forbidden', 'the token of a job cannot have a resource forgotten');
      const note = `forgotten by ${principal}`;
      const move = { id: resource.id, transition: 'forget', note, actor: principal } as const;
      return presentResource(await store.moveResource(move));
    },
  );
}
