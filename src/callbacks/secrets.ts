/**
 * The secret messages are signed with: made once, kept in one file of the home (0600) that is replaced whole. After a
 * rotation the one before still signs beside the new one for a day, so that receivers can be changed one by one. The file
 * carries a sum: any damaged secret is a secret like any other, and every signature by it would be wrong.
 */
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import {
  createDurableSync,
  readIfExists,
  readIfExistsSync,
  syncDirectorySync,
  writeDurableSync,
} from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import { SECRET_PREFIX } from './sign.ts';

/** How long a rotated secret still signs, milliseconds. */
export const ROTATION_MS = 24 * 3_600_000;
/** Former secrets that still sign at most: each makes the header of every message longer. */
const MAX_PREVIOUS = 4;
const SECRET = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/;

export interface CallbackSecrets {
  current: string;
  previous: { secret: string; until: number }[];
}

export interface SecretKeeper {
  /** Returns what is valid now, making the first secret. Throws `home-unusable` for a file that is damaged. */
  read(): CallbackSecrets;
  /** Like `read`, but of what the file holds now, which no power cut takes back after that. */
  reload(): CallbackSecrets;
  /** Returns a new secret, not in use yet. */
  make(): string;
  /** Puts a new secret to use; the one before still signs beside it. */
  replace(secret: string): void;
}

function makeSecret(): string {
  return SECRET_PREFIX + randomBytes(32).toString('base64');
}

function sumOf({ current, previous }: CallbackSecrets): string {
  return sha256(JSON.stringify([current, previous.map(({ secret, until }) => [secret, until])]));
}

function encode(secrets: CallbackSecrets): string {
  return `${JSON.stringify({ ...secrets, sum: sumOf(secrets) })}\n`;
}

/** `isSealed` is false for a file of an older version, which has no sum. */
function parse(path: string, text: string): { secrets: CallbackSecrets; isSealed: boolean } {
  try {
    const { current, previous, sum } = JSON.parse(text) as Partial<CallbackSecrets & { sum: string }>;
    const isWhole =
      typeof current === 'string' &&
      Array.isArray(previous) &&
      [current, ...previous.map((one) => one.secret)].every((secret) => SECRET.test(secret)) &&
      previous.every((one) => Number.isSafeInteger(one.until));
    const secrets = isWhole ? { current, previous } : null;
    if (secrets !== null && (sum === undefined || sum === sumOf(secrets)))
      return { secrets, isSealed: sum !== undefined };
  } catch {
    // Told below, like any other damage.
  }
  throw fail(
    'home-unusable',
    `${path} does not hold the secrets of callbacks; restore it, or remove it to get a new one`,
  );
}

/** Says what is wrong with the file of the secrets; null when it is whole or not there. Changes nothing. */
export async function inspectSecrets(path: string): Promise<string | null> {
  const known = await readIfExists(path);
  if (known === null) return null;
  try {
    parse(path, known.toString());
    return null;
  } catch {
    return 'it does not hold the secrets of callbacks';
  }
}

/** Returns the keeper of the secrets at `path`; the file is read, or made, when they are first asked for. */
export function openSecrets(path: string, clock: Clock): SecretKeeper {
  const load = (): CallbackSecrets => {
    for (;;) {
      const known = readIfExistsSync(path);
      if (known === null) {
        createDurableSync(path, encode({ current: makeSecret(), previous: [] }));
        continue;
      }
      const { secrets: found, isSealed } = parse(path, known.toString());
      if (!isSealed) writeDurableSync(path, encode(found));
      return found;
    }
  };
  let secrets: CallbackSecrets | null = null;
  const read = (): CallbackSecrets => {
    secrets ??= load();
    return { current: secrets.current, previous: secrets.previous.filter((one) => one.until > clock.now()) };
  };
  return {
    read,
    reload() {
      secrets = null;
      const found = read();
      // Whoever wrote it may have been killed before its name was flushed.
      syncDirectorySync(dirname(path));
      return found;
    },
    make: makeSecret,
    replace(secret) {
      const before = read();
      const previous = [{ secret: before.current, until: clock.now() + ROTATION_MS }, ...before.previous];
      const next = { current: secret, previous: previous.slice(0, MAX_PREVIOUS) };
      writeDurableSync(path, encode(next));
      secrets = next;
    },
  };
}
