import { callerOf, type Api, type RouteContext } from '../api.ts';
import { creatingHeadersSchema, noBodySchema, noQuerySchema } from '../contract/common.ts';
import {
  createdTokenSchema,
  newTokenBodySchema,
  tokenPageSchema,
  tokenParamsSchema,
  tokenSchema,
} from '../contract/token.ts';
import { creationRequest } from '../creation-request.ts';
import { presentToken } from '../present.ts';
import { createToken, hashToken } from '../token.ts';

const tags = ['tokens'];

/** Adds POST, GET and DELETE of /v1/tokens. */
export function addTokenRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.post(
    '/v1/tokens',
    {
      schema: {
        tags,
        summary: 'Create a token; it is shown in this answer only',
        description:
          'Only a hash of the token is kept, so a repetition under the same Idempotency-Key cannot give it again: it makes no ' +
          'second token and is answered with 409 `token-shown`, which names the first. A client whose answer was lost revokes ' +
          'that one and creates another with a new key.',
        headers: creatingHeadersSchema,
        querystring: noQuerySchema,
        body: newTokenBodySchema,
        response: { 201: createdTokenSchema },
      },
    },
    async (request, reply) => {
      const token = createToken();
      const row = await store.addToken({
        name: request.body.name,
        sha256: hashToken(token),
        actor: callerOf(request).principal,
        request: creationRequest(request, request.body),
      });
      return reply.code(201).send({ ...presentToken(row), token });
    },
  );

  app.get(
    '/v1/tokens',
    { schema: { tags, summary: 'List tokens', querystring: noQuerySchema, response: { 200: tokenPageSchema } } },
    async () => ({ items: (await store.listTokens()).map(presentToken), nextCursor: null }),
  );

  app.delete(
    '/v1/tokens/:id',
    {
      schema: {
        tags,
        summary: 'Revoke a token',
        params: tokenParamsSchema,
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 200: tokenSchema },
      },
    },
    async (request) => presentToken(await store.revokeToken(request.params.id, callerOf(request).principal)),
  );
}
