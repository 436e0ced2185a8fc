import { randomBytes } from 'node:crypto';

/** Crockford's base 32: no i, l, o, u, so an id can be read aloud. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARS = 10;
const RANDOM_CHARS = 14;

export type IdPrefix =
  | 'job'
  | 'att'
  | 'repo'
  | 'boot'
  | 'batch'
  | 'tok'
  | 'acc'
  | 'host'
  | 'quar'
  | 'op'
  | 'dlv'
  | 'tgt'
  | 'res'
  | 'rep'
  | 'bak'
  | 'rot';

/** Returns `<prefix>_` + 10 characters of time + 14 random ones (70 bits): sortable by creation, never guessed. */
export function newId(prefix: IdPrefix, now: number, random: (size: number) => Uint8Array = randomBytes): string {
  let time = '';
  for (let rest = Math.floor(now), i = 0; i < TIME_CHARS; i++) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let tail = '';
  for (const byte of random(RANDOM_CHARS)) tail += ALPHABET.charAt(byte & 31);
  return `${prefix}_${time}${tail}`;
}

/** Whether `text` has the form of an id with this prefix. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{${TIME_CHARS + RANDOM_CHARS}}$`).test(text);
}
