import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { AccountView, CreatedTokenView, PageView, TokenView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import { fail, isError } from '../../kernel/errors.ts';
import { askPassword, readStdin } from '../ask.ts';
import type { Call, Runtime } from '../command.ts';
import { cleanLine } from '../sanitise.ts';
import { renderTable, type Cell } from '../table.ts';
import { relativeTime } from '../times.ts';

/** More than the longest password, so that the server is the one to refuse it. */
const MAX_STDIN_BYTES = 64 * 1024;

interface CreateOptions {
  user?: string;
  passwordStdin?: boolean;
}

/** Adds `token create|list|revoke`: bearer tokens for other programs, and accounts for those that log in. */
export function registerToken(program: Command, runtime: Runtime): void {
  const token = program
    .command('token')
    .summary('bearer tokens and accounts for other programs')
    .description('Manage bearer tokens, and the accounts that get one by logging in.');
  const create = token
    .command('create')
    .description('Create a token and print it: this is the only time it is shown. With --user, create an account.')
    .argument('[name]', 'what the token is for')
    .option('--user <name>', 'create an account that logs in with this name and a password')
    .option('--password-stdin', 'read its password from stdin instead of asking on the terminal');
  runtime.handle<CreateOptions>(create, (call) =>
    call.options.user === undefined ? createToken(call) : createAccount(call, call.options.user),
  );
  runtime.handle(token.command('list').description('List tokens and accounts.'), listTokens);
  const revoke = token
    .command('revoke')
    .alias('remove')
    .description('Revoke a token, or an account with every login of it, at once.')
    .argument('<id>', 'id of a token or account, or the name of an account');
  runtime.handle(revoke, revokeToken);
}

async function createToken({ client, terminal, args: [name], options }: Call<CreateOptions>): Promise<void> {
  if (name === undefined) throw fail('bad-usage', 'give the token a name, or make an account with --user');
  if (options.passwordStdin === true) throw fail('bad-usage', '--password-stdin goes with --user');
  const made = await client.call<CreatedTokenView>({
    method: 'POST',
    path: '/v1/tokens',
    body: { name },
    // A second try after a lost answer makes no second token, and names the first.
    idempotencyKey: randomUUID(),
  });
  if (terminal.json) return terminal.document(made);
  await terminal.data(`${made.token}\n`);
  terminal.message(
    `token "${made.name}" (${made.id}); it is not shown again\n→ revoke it with \`holdfast token revoke ${made.id}\``,
  );
}

async function createAccount(call: Call<CreateOptions>, name: string): Promise<void> {
  const { client, terminal, args, options } = call;
  if (args.length > 0) throw fail('bad-usage', 'give either the name of a token or --user');
  const password =
    options.passwordStdin === true
      ? (await readStdin(call, MAX_STDIN_BYTES)).replace(/\r?\n$/, '')
      : await askPassword(call, `Password of ${name}`);
  const account = await client.call<AccountView>({
    method: 'POST',
    path: '/v1/accounts',
    body: { name, password },
    idempotencyKey: randomUUID(),
  });
  if (terminal.json) return terminal.document(account);
  await terminal.data(`${account.id}\n`);
  terminal.message(
    `account "${account.name}"; it logs in with POST /auth/login\n→ revoke it with \`holdfast token revoke ${account.name}\``,
  );
}

async function listTokens({ client, terminal }: Call): Promise<void> {
  const page = await client.get<PageView<TokenView>>('/v1/tokens');
  const accounts = await client.get<PageView<AccountView>>('/v1/accounts');
  if (terminal.json) return terminal.document({ ...page, accounts: accounts.items });
  if (page.items.length + accounts.items.length === 0) return terminal.message('no tokens but the one of the home');
  const now = systemClock.now();
  const state = (item: { revokedAt: string | null; expiresAt?: string | null }): string => {
    if (item.revokedAt !== null) return `revoked ${relativeTime(item.revokedAt, now)}`;
    if (item.expiresAt === null || item.expiresAt === undefined) return 'valid';
    return `${Date.parse(item.expiresAt) > now ? 'expires' : 'expired'} ${relativeTime(item.expiresAt, now)}`;
  };
  const row = (kind: string, item: AccountView): (Cell | string)[] => [
    item.id,
    kind,
    cleanLine(item.name),
    relativeTime(item.createdAt, now),
    state(item),
  ];
  const rows = [
    ...accounts.items.map((item) => row('account', item)),
    ...page.items.map((item) => row(item.accountId === null ? 'token' : 'login', item)),
  ];
  const columns = ['ID', 'KIND', 'NAME', 'CREATED', 'STATE'].map((title) => ({ title }));
  await terminal.data(renderTable({ columns, rows, width: terminal.width, heading: terminal.colours.bold }));
}

async function revokeToken(call: Call): Promise<void> {
  const { client, terminal, args } = call;
  const reference = args[0] ?? '';
  const account = await findAccount(call, reference);
  const path = account === null ? `/v1/tokens/${encodeURIComponent(reference)}` : `/v1/accounts/${account.id}`;
  const item = await client.call<AccountView>({ method: 'DELETE', path });
  if (terminal.json) return terminal.document(item);
  terminal.message(`revoked "${cleanLine(item.name)}" (${item.id})`);
}

/** The account meant, or null for what can only be a token. A name means the account that is not revoked. */
async function findAccount({ client }: Call, reference: string): Promise<AccountView | null> {
  if (reference.startsWith('tok_')) return null;
  try {
    const { items } = await client.get<PageView<AccountView>>('/v1/accounts');
    return items.find((one) => one.id === reference || (one.name === reference && one.revokedAt === null)) ?? null;
  } catch (error) {
    // A server of an older version has tokens only.
    if (isError(error, 'not-found')) return null;
    throw error;
  }
}
