import { hashPassword } from '../accounts/password.ts';
import { callerOf, type Api, type RouteContext } from '../api.ts';
import { accountPageSchema, accountParamsSchema, accountSchema, newAccountSchema } from '../contract/account.ts';
import { noBodySchema, noQuerySchema } from '../contract/common.ts';
import { presentAccount } from '../present.ts';

const tags = ['accounts'];

/** Adds POST, GET and DELETE of /v1/accounts: who may log in with a password. */
export function addAccountRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.post(
    '/v1/accounts',
    {
      schema: {
        tags,
        summary: 'Create an account; only a salted hash of its password is kept',
        querystring: noQuerySchema,
        body: newAccountSchema,
        response: { 201: accountSchema },
      },
    },
    async (request, reply) => {
      const { name, password } = request.body;
      const secret = await hashPassword(password);
      const account = await store.addAccount({ name, secret, actor: callerOf(request).principal });
      return reply.code(201).send(presentAccount(account));
    },
  );

  app.get(
    '/v1/accounts',
    { schema: { tags, summary: 'List accounts', querystring: noQuerySchema, response: { 200: accountPageSchema } } },
    async () => ({ items: (await store.listAccounts()).map(presentAccount), nextCursor: null }),
  );

  app.delete(
    '/v1/accounts/:id',
    {
      schema: {
        tags,
        summary: 'Revoke an account and every login of it',
        params: accountParamsSchema,
        querystring: noQuerySchema,
        body: noBodySchema,
        response: { 200: accountSchema },
      },
    },
    async (request) => presentAccount(await store.revokeAccount(request.params.id, callerOf(request).principal)),
  );
}
