/**
 * The secret messages are signed with: made once, kept in one file of the home (0600) that is replaced whole. After a
 * rotation the one before still signs beside the new one for a day, so that receivers can be changed one by one.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { createDurableSync, readIfExistsSync, writeDurableSync } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
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
  /** Makes a new secret and returns what is valid from now on. */
  rotate(): CallbackSecrets;
}

function makeSecret(): string {
  return SECRET_PREFIX + randomBytes(32).toString('base64');
}

function parse(path: string, text: string): CallbackSecrets {
  try {
    const { current, previous } = JSON.parse(text) as Partial<CallbackSecrets>;
    const isWhole =
      typeof current === 'string' &&
      Array.isArray(previous) &&
      [current, ...previous.map((one) => one.secret)].every((secret) => SECRET.test(secret)) &&
      previous.every((one) => Number.isSafeInteger(one.until));
    if (isWhole) return { current, previous };
  } catch {
    // Told below, like any other damage.
  }
  throw fail(
    'home-unusable',
    `${path} does not hold the secrets of callbacks; restore it, or remove it to get a new one`,
  );
}

/** Returns the keeper of the secrets at `path`; the file is read, or made, when they are first asked for. */
export function openSecrets(path: string, clock: Clock): SecretKeeper {
  const load = (): CallbackSecrets => {
    for (;;) {
      const known = readIfExistsSync(path);
      if (known !== null) return parse(path, known.toString());
      createDurableSync(path, `${JSON.stringify({ current: makeSecret(), previous: [] })}\n`);
    }
  };
  let secrets: CallbackSecrets | null = null;
  const read = (): CallbackSecrets => {
    secrets ??= load();
    return { current: secrets.current, previous: secrets.previous.filter((one) => one.until > clock.now()) };
  };
  return {
    read,
    rotate() {
      const before = read();
      const previous = [{ secret: before.current, until: clock.now() + ROTATION_MS }, ...before.previous];
      const next = { current: makeSecret(), previous: previous.slice(0, MAX_PREVIOUS) };
      writeDurableSync(path, `${JSON.stringify(next)}\n`);
      secrets = next;
      return next;
    },
  };
}
