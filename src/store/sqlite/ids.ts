import { randomFillSync } from 'node:crypto';
import { newId, type IdPrefix } from '../../kernel/ids.ts';

const pool = new Uint8Array(4096);
let used = pool.length;

/** Returns `size` random bytes out of a pool: one call for the system's randomness per id is slower than the id. */
function takeRandom(size: number): Uint8Array {
  if (used + size > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += size;
  return pool.subarray(used - size, used);
}

/** Returns a new id made at `now`. */
export function makeId(prefix: IdPrefix, now: number): string {
  return newId(prefix, now, takeRandom);
}
