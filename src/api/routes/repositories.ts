import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import type { RepositoryPatch } from '../../store/store.ts';
import { callerOf, type Api, type RouteContext } from '../api.ts';
import { creatingHeadersSchema, noBodySchema, noQuerySchema } from '../contract/common.ts';
import {
  newRepositorySchema,
  repositoryPageSchema,
  repositoryParamsSchema,
  repositoryPatchSchema,
  repositorySchema,
} from '../contract/repository.ts';
import { creationRequest } from '../creation-request.ts';
import { nothing } from '../openapi.ts';
import { presentRepository } from '../present.ts';

const tags = ['repositories'];

/** Adds POST, GET, PATCH and DELETE of /v1/repositories. */
export function addRepositoryRoutes(app: Api, context: RouteContext): void {
  addRegistration(app, context);
  addReads(app, context);
  addChange(app, context);
}

function addRegistration(app: Api, { services }: RouteContext): void {
  app.post(
    '/v1/repositories',
    {
      schema: {
        tags,
        summary: 'Register a repository',
        headers: creatingHeadersSchema,
        querystring: noQuerySchema,
        body: newRepositorySchema,
        response: { 201: repositorySchema },
      },
    },
    async (incoming, reply) => {
      const { limits, ...body } = incoming.body;
      services.validateReviewers(body.pipeline);
      await services.validatePush(body.push);
      const concurrency = limits?.concurrency;
      const input = withoutUndefined({ ...body, concurrency });
      const request = creationRequest(incoming, incoming.body);
      const { repository, replayed } = await services.registerRepository({ ...input, request, source: body.source });
      failpoint('api.after-settings');
      if (replayed) reply.header('idempotency-replayed', 'true');
      return reply.code(201).send(presentRepository(repository));
    },
  );
}

function addReads(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.get(
    '/v1/repositories',
    {
      schema: {
        tags,
        summary: 'List repositories',
        querystring: noQuerySchema,
        response: { 200: repositoryPageSchema },
      },
    },
    async () => ({ items: (await store.listRepositories()).map(presentRepository), nextCursor: null }),
  );

  app.get(
    '/v1/repositories/:name',
    {
      schema: {
        tags,
        summary: 'Show a repository',
        params: repositoryParamsSchema,
        querystring: noQuerySchema,
        response: { 200: repositorySchema },
      },
    },
    async (request) => {
      const { name } = request.params;
      const repository = await store.getRepository(name);
      if (repository === null) throw fail('repository-not-found', `no repository "${name}"`);
      return presentRepository(repository);
    },
  );
}

function addChange(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.patch(
    '/v1/repositories/:name',
    {
      schema: {
        tags,
        summary: 'Change a repository',
        params: repositoryParamsSchema,
        querystring: noQuerySchema,
        body: repositoryPatchSchema,
        response: { 200: repositorySchema },
      },
    },
    async (request) => {
      const { limits, ...body } = request.body;
      services.validateReviewers(body.pipeline);
      await services.validatePush(body.push);
      const patch: RepositoryPatch = withoutUndefined({ ...body, concurrency: limits?.concurrency });
      const repository = await store.updateRepository(request.params.name, patch, callerOf(request).principal);
      failpoint('api.after-settings');
      return presentRepository(repository);
    },
  );

  app.delete(
    '/v1/repositories/:name',
    {
      schema: {
        tags,
        summary: 'Remove a repository without unfinished jobs',
        params: repositoryParamsSchema,
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      await services.removeRepository(request.params.name, callerOf(request).principal);
      failpoint('api.after-settings');
      return reply.code(204).send();
    },
  );
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Drops the fields a client left out, so that they keep their default or their value. */
function withoutUndefined<T extends object>(input: T): Defined<T> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as Defined<T>;
}
