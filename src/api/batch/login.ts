import { fail } from '../../kernel/errors.ts';
import { createLoginLimit } from '../accounts/login-limit.ts';
import { verifyPassword } from '../accounts/password.ts';
import type { Api, RouteContext } from '../api.ts';
import { loginSchema, sessionSchema } from '../contract/account.ts';
import { noQuerySchema, showTime } from '../contract/common.ts';
import { createToken, hashToken } from '../token.ts';
import { BATCH_TAGS } from './contract.ts';

/** Adds POST /auth/login: a bearer token, for a time, in exchange for a name and a password. */
export function addLoginRoute(app: Api, { services, log }: RouteContext): void {
  const { store, clock } = services;
  const limit = createLoginLimit(clock);

  app.post(
    '/auth/login',
    {
      config: { public: true },
      schema: {
        tags: BATCH_TAGS,
        security: [],
        summary: 'Log in to an account; one answer for every wrong name or password, 429 after ten of them',
        querystring: noQuerySchema,
        body: loginSchema,
        response: { 200: sessionSchema },
      },
    },
    async (request, reply) => {
      const { username, password } = request.body;
      const waitSeconds = limit.begin(username, request.ip);
      if (waitSeconds !== null) {
        reply.header('retry-after', waitSeconds);
        throw fail('rate-limited', 'too many failed logins');
      }
      const found = await store.findAccount(username);
      if (!(await verifyPassword(password, found?.secret ?? null)) || found === null) {
        log.warn('login failed', { address: request.ip });
        throw fail('unauthorised', 'the name or the password is wrong', {
          hint: 'Make an account with `holdfast token create --user NAME`.',
        });
      }
      const token = createToken();
      const expiresAt = clock.now() + services.defaults.sessionMs;
      const row = await store.addLogin({ accountId: found.account.id, sha256: hashToken(token), expiresAt });
      limit.succeed(username, request.ip);
      log.info('login', { account: found.account.id, token: row.id });
      return { token, user: row.name, expires: showTime(expiresAt) };
    },
  );
}
