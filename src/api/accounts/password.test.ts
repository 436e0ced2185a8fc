import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { test } from 'node:test';
import { isError } from '../../kernel/errors.ts';
import { hashPassword, verifyPassword } from './password.ts';

test('a password fits its own secret only, whose form tells its cost and never the password', async () => {
  const secret = await hashPassword('correct horse');
  assert.match(secret, /^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
  assert.notEqual(await hashPassword('correct horse'), secret, 'salted');
  assert.equal(await verifyPassword('correct horse', secret), true);
  assert.equal(await verifyPassword('correct Horse', secret), false);
  assert.equal(await verifyPassword('', secret), false);
});

test('the same password typed as composed or combining characters is the same', async () => {
  assert.equal(await verifyPassword('cafe\u0301 noir', await hashPassword('caf\u00e9 noir')), true);
});

test('nobody has no password, not even the one their stand-in might have', async () => {
  assert.equal(await verifyPassword('', null), false);
  await assert.rejects(verifyPassword('x', 'md5$abc'), (error) => isError(error, 'internal'));
});

/** A secret of a low cost: what is waited for here is the turn, not the derivation. */
function cheapSecret(password: string): string {
  const [N, r, p] = [1024, 8, 1];
  const salt = Buffer.alloc(16, 1);
  const hash = scryptSync(password, salt, 32, { N, r, p });
  return ['scrypt', N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

test('a flood of checks is refused instead of queued without end, and what was taken in is answered', async () => {
  const secret = cheapSecret('pw');
  const all = await Promise.allSettled(Array.from({ length: 40 }, () => verifyPassword('pw', secret)));
  const refused = all.filter((one) => one.status === 'rejected');
  assert.equal(refused.length, 8);
  for (const one of refused) assert.ok(isError(one.reason, 'rate-limited'));
  assert.equal(await verifyPassword('pw', secret), true, 'and it goes on');
});
