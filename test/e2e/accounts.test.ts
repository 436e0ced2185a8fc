/** Accounts of the batch API, made and taken away on the command line, with a whole server. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { until, within } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

const PASSWORD = 'correct horse battery';

async function logIn(world: World, username: string, password: string): Promise<{ status: number; token: string }> {
  const { url } = await world.readServer();
  const answer = await fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  });
  const body = (await answer.json()) as { token?: string };
  return { status: answer.status, token: body.token ?? '' };
}

async function useToken(world: World, token: string): Promise<number> {
  const { url } = await world.readServer();
  const answer = await fetch(`${url}/jobs`, { headers: { authorization: `Bearer ${token}` } });
  await answer.arrayBuffer();
  return answer.status;
}

test('an account is made, logs in, survives a crash with its logins, and ends with all of them', async () => {
  await using world = await World.create();
  await world.configure({ accounts: { sessionMs: '2h' } });
  await world.start();
  const made = await run(world, ['token', 'create', '--user', 'ann', '--password-stdin'], { input: `${PASSWORD}\n` });
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^acc_\w{24}\n$/);
  const first = await logIn(world, 'ann', PASSWORD);
  assert.deepEqual([first.status, await useToken(world, first.token)], [200, 200]);

  await world.kill();
  await world.start();
  assert.equal(await useToken(world, first.token), 200, 'its login survived');
  const second = await logIn(world, 'ann', PASSWORD);
  const listed = JSON.parse((await run(world, ['token', 'list', '--json'])).stdout) as {
    items: { accountId: string; createdAt: string; expiresAt: string }[];
    accounts: { id: string; name: string }[];
  };
  const [item] = listed.items;
  assert.deepEqual([listed.items.length, listed.accounts[0]?.name], [2, 'ann']);
  assert.ok(Math.abs(Date.parse(item?.expiresAt ?? '') - Date.parse(item?.createdAt ?? '') - 7_200_000) < 5000);
  const table = (await run(world, ['token', 'list'])).stdout;
  assert.match(table, /acc_\w+ +account +ann [^\n]* valid\n[^]*tok_\w+ +login +ann [^\n]* expires in/);

  const revoked = await run(world, ['token', 'revoke', 'ann']);
  assert.equal(revoked.code, 0, revoked.stderr);
  for (const { token } of [first, second]) assert.equal(await useToken(world, token), 401);
  assert.equal((await logIn(world, 'ann', PASSWORD)).status, 401);
  assert.equal((await run(world, ['token', 'remove', 'ann'])).code, 3);
  assert.doesNotMatch(await readFile(world.log, 'utf8'), /correct horse/);
  assert.equal((await run(world, ['doctor', '--deep'])).code, 0);
});

test('a password is asked for on the terminal, twice and unseen; without one the flag is named', async () => {
  await using world = await World.create();
  await world.start();
  const none = await run(world, ['token', 'create', '--user', 'ann']);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /--password-stdin/);
  for (const args of [
    ['token', 'create'],
    ['token', 'create', 'x', '--user', 'y'],
    ['token', 'create', 'x', '--password-stdin'],
  ]) {
    assert.equal((await run(world, args)).code, 2, args.join(' '));
  }
  const differ = await ask(world, ['one password', 'another one']);
  assert.equal(differ.code, 2);
  assert.match(differ.screen, /the two passwords differ/);
  const asked = await ask(world, [`${PASSWORD}x\u007f`, PASSWORD]);
  assert.equal(asked.code, 0, asked.screen);
  assert.doesNotMatch(asked.screen, /horse/, 'nothing of it was shown');
  assert.equal((await logIn(world, 'ann', PASSWORD)).status, 200, 'a deleted character does not count');
  const left = await ask(world, ['\u0003']);
  assert.equal(left.code, 130, left.screen);
});

/** Runs `token create --user ann` on a terminal of its own, answers each question in turn, and returns what it showed. */
async function ask(world: World, answers: readonly string[]): Promise<{ code: number | null; screen: string }> {
  const words = world.command('token', 'create', '--user', 'ann', '--home', world.home.root);
  const child = spawn('script', ['-qec', words.map((word) => `'${word}'`).join(' '), '/dev/null'], {
    cwd: world.root,
    env: { PATH: process.env['PATH'] ?? '', HOME: world.root, TERM: 'dumb', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let screen = '';
  child.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const questions = ['Password of ann: ', 'Again: '];
  for (const [index, answer] of answers.entries()) {
    await until(`question ${index}`, () => screen.includes(questions[index] ?? ''));
    child.stdin.write(answer === '\u0003' ? answer : `${answer}\r`);
  }
  const code = await within('the end of the command', ended);
  child.stdin.destroy();
  return { code, screen };
}
