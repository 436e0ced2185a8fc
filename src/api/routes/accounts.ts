import { fail } from '../../kernel/errors.ts';
import { sha256 } from '../../kernel/hash.ts';
import type { Account } from '../../store/store.ts';
import { hashPassword, verifyPassword } from '../accounts/password.ts';
import { callerOf, type Api, type RouteContext } from '../api.ts';
import { accountPageSchema, accountParamsSchema, accountSchema, newAccountSchema } from '../contract/account.ts';
import { creatingHeadersSchema, noBodySchema, noQuerySchema } from '../contract/common.ts';
import { creationRequest } from '../creation-request.ts';
import { presentAccount } from '../present.ts';
import type { Services } from '../services.ts';

const tags = ['accounts'];

/**
 * A repetition has the password of the first request: it is compared as at a login, because a quick hash of it is kept
 * nowhere. What was revoked has none any more. Throws `idempotency-conflict`.
 */
async function refuseOtherPassword({ store }: Services, { id, name }: Account, password: string): Promise<void> {
  const found = await store.findAccount(name);
  if (found?.account.id !== id || (await verifyPassword(password, found.secret))) return;
  throw fail('idempotency-conflict', `the key already belongs to account "${name}", made with another password`);
}

/** Adds POST, GET and DELETE of /v1/accounts: who may log in with a password. */
export function addAccountRoutes(app: Api, { services }: RouteContext): void {
  const { store } = services;

  app.post(
    '/v1/accounts',
    {
      schema: {
        tags,
        summary: 'Create an account; only a salted hash of its password is kept',
        headers: creatingHeadersSchema,
        querystring: noQuerySchema,
        body: newAccountSchema,
        response: { 201: accountSchema },
      },
    },
    async (request, reply) => {
      const { name, password } = request.body;
      const secret = await hashPassword(password);
      const { principal: actor } = callerOf(request);
      const account = await store.addAccount({ name, secret, actor, request: creationRequest(request, { name }) });
      if (account.secretSha256 !== sha256(secret)) {
        await refuseOtherPassword(services, account, password);
        reply.header('idempotency-replayed', 'true');
      }
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
