/** How the password of an account is kept and checked: salted scrypt, one at a time, in the same time for everybody. */
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { fail } from '../../kernel/errors.ts';

/** Cost of a new secret: 32 MiB and three passes, one of the settings OWASP's password sheet gives for scrypt. */
const COST = { n: 2 ** 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** Checks that may wait for their turn; more of them at once is an attack. */
const MAX_WAITING = 32;

let turn: Promise<unknown> = Promise.resolve();
let waiting = 0;

/**
 * Runs one derivation at a time: each takes a fifth of a second of one of the few threads that also read files. Throws
 * `rate-limited` when too many wait.
 */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (waiting >= MAX_WAITING) throw fail('rate-limited', 'too many passwords are being checked');
  waiting++;
  const mine = turn.then(work);
  turn = mine.catch(() => undefined);
  try {
    return await mine;
  } finally {
    waiting--;
  }
}

function derive(password: string, salt: Buffer, cost: { n: number; r: number; p: number; bytes: number }) {
  const options: ScryptOptions = { N: cost.n, r: cost.r, p: cost.p, maxmem: 256 * cost.n * cost.r };
  return new Promise<Buffer>((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, cost.bytes, options, (error, hash) => {
      if (error === null) resolve(hash);
      else reject(error);
    });
  });
}

/** Returns what is stored of a password: `scrypt$N$r$p$salt$hash`, so that the cost may rise without losing anybody. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await inTurn(() => derive(password, salt, { ...COST, bytes: HASH_BYTES }));
  return ['scrypt', COST.n, COST.r, COST.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/** Belongs to nobody: checked for a name without an account, so that such an answer takes as long as any other. */
const NOBODY = ['scrypt', COST.n, COST.r, COST.p, 'AAAAAAAAAAAAAAAAAAAAAA', 'A'.repeat(43)].join('$');

/** Whether `password` is the one behind `secret`; false, after the same time, for null. Throws `rate-limited`. */
export async function verifyPassword(password: string, secret: string | null): Promise<boolean> {
  const [kind, n, r, p, salt = '', hash = ''] = (secret ?? NOBODY).split('$');
  if (kind !== 'scrypt') throw fail('internal', 'a stored secret is of an unknown kind');
  const expected = Buffer.from(hash, 'base64url');
  const cost = { n: Number(n), r: Number(r), p: Number(p), bytes: expected.length };
  const actual = await inTurn(() => derive(password, Buffer.from(salt, 'base64url'), cost));
  return timingSafeEqual(actual, expected) && secret !== null;
}
