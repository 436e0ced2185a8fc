import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asProblem, makeServer, makeWorld, type Running } from '../api.fixture.ts';
import type { AccountView, PageView, TokenView } from '../contract.ts';

const PASSWORD = 'a long password';

async function addAccount(running: Running, name = 'ann'): Promise<AccountView> {
  const answer = await running.call('POST', '/v1/accounts', { body: { name, password: PASSWORD } });
  assert.equal(answer.status, 201, answer.text);
  return answer.json<AccountView>();
}

async function logIn(running: Running, body: object): ReturnType<Running['call']> {
  return running.call('POST', '/auth/login', { token: null, body });
}

test('an account logs in for a token that works until it ends, is revoked, or its account is', async () => {
  let at = Date.now();
  await using running = await makeServer({ clock: { now: () => at, monotonic: () => performance.now() } });
  const account = await addAccount(running);
  const answer = await logIn(running, { username: 'ann', password: PASSWORD, rememberMe: true });
  assert.equal(answer.status, 200, answer.text);
  const session = answer.json<{ token: string; user: string; expires: string }>();
  assert.match(session.token, /^hft_[\w-]{43}$/);
  assert.deepEqual([session.user, Date.parse(session.expires)], ['ann', at + 3_600_000]);
  const use = async (): Promise<number> => (await running.call('GET', '/v1/jobs', { token: session.token })).status;
  assert.equal(await use(), 200);
  const { items } = (await running.call('GET', '/v1/tokens')).json<PageView<TokenView>>();
  assert.deepEqual([items[0]?.accountId, items[0]?.expiresAt], [account.id, session.expires]);
  at += 3_600_000;
  assert.equal(await use(), 401, 'expired');
  at -= 1;
  assert.equal(await use(), 200);
  await running.call('DELETE', `/v1/accounts/${account.id}`);
  assert.equal(await use(), 401, 'its account was revoked');
  asProblem(await logIn(running, { username: 'ann', password: PASSWORD }), 401, 'unauthorised');
});

test('a wrong name and a wrong password are answered alike, and neither is kept anywhere', async () => {
  const lines: string[] = [];
  const say = (message: string, fields?: Record<string, unknown>): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  await using running = await makeServer({ log: { debug: say, info: say, warn: say, error: say } });
  await addAccount(running);
  const wrong = await logIn(running, { username: 'ann', password: 'WRONG-SECRET' });
  const unknown = await logIn(running, { username: 'NAME-SECRET', password: 'WRONG-SECRET' });
  assert.deepEqual(asProblem(wrong, 401, 'unauthorised'), asProblem(unknown, 401, 'unauthorised'));
  await logIn(running, { username: 'ann', password: PASSWORD });
  assert.doesNotMatch(lines.join('\n'), /SECRET|a long password/);
  const headers = { accept: 'application/json' };
  const { text } = await running.call('GET', '/v1/events', { headers });
  assert.match(text, /account\.add/);
  assert.doesNotMatch(text, /scrypt|[0-9a-f]{64}[^"]*"secretSha256|"(?:sha256|secretSha256)":"(?!\*\*\*)/);
  assert.doesNotMatch((await running.call('GET', '/v1/accounts')).text, /scrypt|secret/i);
});

test('ten failures of a name are followed by 429 with the time to wait, whatever the password', async () => {
  await using running = await makeServer();
  await addAccount(running);
  const tries = await Promise.all(Array.from({ length: 10 }, () => logIn(running, { username: 'ann', password: 'x' })));
  for (const answer of tries) asProblem(answer, 401, 'unauthorised');
  const refused = await logIn(running, { username: 'ann', password: PASSWORD });
  asProblem(refused, 429, 'rate-limited');
  assert.ok(Number(refused.headers.get('retry-after')) > 800);
  asProblem(await logIn(running, { username: 'nobody', password: 'x' }), 401, 'unauthorised');
});

test('who fails to log in makes the server write nothing, and a server that starts locks nobody out', async () => {
  await using world = await makeWorld();
  const first = await world.start();
  await addAccount(first);
  const before = await first.store.getLastSeq();
  for (let n = 0; n < 10; n++) await logIn(first, { username: 'ann', password: 'x' });
  asProblem(await logIn(first, { username: 'ann', password: PASSWORD }), 429, 'rate-limited');
  assert.equal(await first.store.getLastSeq(), before);
  await first.close();
  await first.store.stop();
  const next = await world.start();
  const { status, text } = await logIn(next, { username: 'ann', password: PASSWORD });
  assert.equal(status, 200, text);
});

test('what cannot be an account or a login is refused by the name of its field', async () => {
  await using running = await makeServer();
  const cases: [object, RegExp][] = [
    [{ name: '-ann', password: PASSWORD }, /^name: /],
    [{ name: 'ann', password: 'short' }, /^password: must have at least 8/],
    [{ name: 'ann', password: 'x'.repeat(1025) }, /^password: must have at most 1024/],
    [{ name: 'ann', password: PASSWORD, role: 'admin' }, /^role: unknown field/],
  ];
  for (const [body, detail] of cases) {
    const answer = await running.call('POST', '/v1/accounts', { body });
    assert.equal(answer.status, 400);
    assert.match(answer.json<{ detail: string }>().detail, detail);
  }
  await addAccount(running);
  const again = await running.call('POST', '/v1/accounts', { body: { name: 'ann', password: PASSWORD } });
  asProblem(again, 409, 'already-exists');
  for (const body of [{}, { username: 'ann' }, { username: 1, password: 'x' }, { username: 'ann', password: null }]) {
    asProblem(await logIn(running, body), 400, 'bad-request');
  }
});
