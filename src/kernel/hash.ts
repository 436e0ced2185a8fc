import { hash } from 'node:crypto';

/** Returns the sha256 of `data` as 64 lower-case hex characters. */
export function sha256(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}

/** Returns `value` as JSON with object keys sorted at every depth, so that equal values give equal text (and hashes). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    const source = inner as Record<string, unknown>;
    // Without a prototype, or a key `__proto__` would vanish and two different values have one hash.
    const sorted = Object.create(null) as Record<string, unknown>;
    for (const key of Object.keys(source).toSorted()) sorted[key] = source[key];
    return sorted;
  });
}
