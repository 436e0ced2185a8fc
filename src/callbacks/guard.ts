/**
 * The guard of callback targets: what a URL may say (at acceptance), and which addresses its host may have (at
 * acceptance as far as they are known, and again at every send).
 */
import type { LookupAddress } from 'node:dns';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../kernel/clock.ts';
import { fail, isError, type HoldfastError } from '../kernel/errors.ts';
import { isPublicAddress, literalOf } from './addresses.ts';
import { hostnameOf, type Allowlist } from './allowlist.ts';
import type { Lookup } from './lookup.ts';

/** Longest URL taken, characters. */
const MAX_URL_CHARS = 2048;
/** Characters of a text that is no URL an error repeats. */
const MAX_SHOWN_CHARS = 100;
/** Longest time a submission waits for a name to be resolved, milliseconds: a name that cannot be is judged at the send. */
const ACCEPT_LOOKUP_MS = 1000;
/** How long a submission trusts what another found of a name, milliseconds. */
const ACCEPT_CACHE_MS = 30_000;
const MAX_CACHED = 1000;

export interface Guard {
  /** Throws `callback-refused` for a URL nothing may be sent to. */
  accept(url: string): Promise<void>;
  /** Returns the addresses a request may be sent to now. Throws `callback-refused`, or the resolver's error. */
  resolve(url: URL): Promise<LookupAddress[]>;
}

function refuse(detail: string): HoldfastError {
  return fail('callback-refused', detail);
}

/** What is no URL is no question of which hosts are allowed. A user name or password is never repeated. */
function misunderstand(text: string, what: string): HoldfastError {
  const shown = text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS).toWellFormed()}…`;
  const hint = 'Write the whole URL, like https://example.com/hook.';
  return fail('callback-refused', `"${shown}" ${what}`, { hint });
}

/** Returns a callback URL as it is understood. Throws `callback-refused` for what is malformed or no plain http(s) URL. */
export function parseTarget(text: string): URL {
  // What the URL parser would silently drop: a receiver must not be another than the one that was read.
  if (/[\u0000-\u0020\u007f\\]/.test(text))
    throw refuse('the URL contains a space, a backslash or a control character');
  if (text.length > MAX_URL_CHARS) throw refuse(`the URL is longer than ${MAX_URL_CHARS} characters`);
  if (!URL.canParse(text)) throw misunderstand(text, 'is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw misunderstand(text, 'is neither an http nor an https URL');
  if (!/^https?:\/\/[^/]/i.test(text)) throw misunderstand(text, 'names no host');
  if (url.username !== '' || url.password !== '') throw refuse('the URL contains a user name or password');
  return url;
}

function ownAddresses(): Set<string> {
  return new Set(
    Object.values(networkInterfaces())
      .flat()
      .flatMap((one) => (one === undefined ? [] : [one.address])),
  );
}

/** Returns the guard. `ownAddresses` are those of this host, refused like private ones. */
export function createGuard(options: {
  allow: Allowlist;
  lookup: Lookup;
  clock: Clock;
  ownAddresses?: () => Set<string>;
}): Guard {
  const { allow, lookup } = options;
  const readOwn = options.ownAddresses ?? ownAddresses;
  const known = new Map<string, { until: number; refusal: HoldfastError | null }>();

  const check = (url: URL, addresses: readonly LookupAddress[]): void => {
    const own = readOwn();
    for (const { address } of addresses) {
      if (allow.allowsAddress(address)) continue;
      const who = url.hostname === address ? `${address} is` : `${url.host} is ${address}, which is`;
      if (!isPublicAddress(address)) throw refuse(`${who} no public address`);
      if (own.has(address)) throw refuse(`${who} an address of this host`);
    }
    if (addresses.length === 0) throw refuse(`${url.host} has no address`);
  };

  const resolve = async (url: URL): Promise<LookupAddress[]> => {
    const literal = literalOf(url.hostname);
    if (literal !== null) {
      const addresses = [{ address: literal, family: isIPv4(literal) ? 4 : 6 }];
      if (!allow.allowsHost(url)) check(url, addresses);
      return addresses;
    }
    const name = hostnameOf(url);
    if (allow.allowsHost(url)) return lookup(name);
    if (name === 'localhost' || name.endsWith('.localhost')) throw refuse(`${url.host} is this host itself`);
    const addresses = await lookup(name);
    check(url, addresses);
    return addresses;
  };

  const judge = async (url: URL): Promise<HoldfastError | null> => {
    const { promise: late, resolve: giveUp } = Promise.withResolvers<null>();
    const timer = setTimeout(() => giveUp(null), ACCEPT_LOOKUP_MS);
    // A name nobody can resolve now is no fault of the request.
    const found = resolve(url).then(
      () => null,
      (error: unknown) => (isError(error, 'callback-refused') ? error : null),
    );
    const refusal = await Promise.race([found, late]);
    clearTimeout(timer);
    return refusal;
  };

  return {
    resolve,
    async accept(text) {
      const url = parseTarget(text);
      const now = options.clock.monotonic();
      const cached = known.get(url.host);
      const refusal = cached !== undefined && cached.until > now ? cached.refusal : await judge(url);
      if (known.size >= MAX_CACHED) known.clear();
      if (cached === undefined || cached.until <= now) known.set(url.host, { until: now + ACCEPT_CACHE_MS, refusal });
      if (refusal !== null) throw refusal;
    },
  };
}
