/**
 * The names of locks: `<kind>:<repository>`. Each kind is a slot of its own, so that tests of a repository wait for each
 * other and not for its fetches. `<key>#<n>` is kept for kinds with several slots.
 */
export const LOCK_KINDS = ['repo', 'tests'] as const;
export type LockKind = (typeof LOCK_KINDS)[number];

const KEY = /^([a-z][a-z0-9-]{0,31}):([A-Za-z0-9_][A-Za-z0-9._-]{0,63})$/;

/** Returns the key of a lock of a repository. */
export function lockKey(kind: LockKind, repository: string): string {
  return `${kind}:${repository}`;
}

/** Returns what a key names, or null when it is no key of a lock. */
export function parseLockKey(key: string): { kind: LockKind; repository: string } | null {
  const [, name, repository] = KEY.exec(key) ?? [];
  const kind = LOCK_KINDS.find((one) => one === name);
  return kind === undefined || repository === undefined ? null : { kind, repository };
}
