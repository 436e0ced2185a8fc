import { fail } from '../kernel/errors.ts';
import { readIfExists } from '../kernel/durable.ts';
import { messageOf } from '../kernel/result.ts';
import { homeLayout } from '../lifecycle/home.ts';

/** Where a server answers, and what it is told to believe us. */
export interface ServerAddress {
  /** Without a trailing slash. */
  url: string;
  token: string | null;
  /** Null when the address was given rather than read from the home. */
  bootId: string | null;
  pid: number | null;
  /** The one certificate (PEM) a server that speaks TLS is to show; null leaves it to what the system trusts. */
  certificate: string | null;
}

/** What a server writes into its home while it lives. */
export interface ServerFile {
  url: string;
  pid: number;
  bootId: string;
  version: string;
}

/** Returns the server file of a home, or null when there is none. Throws `home-unusable` when it cannot be read. */
export async function readServerFile(home: string): Promise<ServerFile | null> {
  const path = homeLayout(home).serverFile;
  let text: string;
  try {
    const bytes = await readIfExists(path);
    if (bytes === null) return null;
    text = bytes.toString('utf8');
  } catch (error) {
    throw fail('home-unusable', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const parsed: unknown = parseJson(text);
  if (!isServerFile(parsed)) {
    throw fail('server-unreachable', `${path} is not a server file`, {
      hint: 'Start the server again with `holdfast serve`; it replaces the file.',
    });
  }
  return parsed;
}

/**
 * Returns the server to talk to: the given address, else the one the home names. Read anew for every connection, since
 * a restarted server may answer on another port. Throws `server-unreachable` when the home names none.
 */
export async function findServer(input: {
  home: string;
  url: string | null;
  token: string | null;
  /** Holds the certificate of a server at a given address (HOLDFAST_CA_FILE). */
  certificateFile: string | null;
}): Promise<ServerAddress> {
  const { home, url, token } = input;
  if (url !== null) {
    const address = normaliseUrl(url);
    const certificate = await findCertificate(address, input);
    return { url: address, token: token ?? (await homeToken(home, address)), bootId: null, pid: null, certificate };
  }
  const file = await readServerFile(home);
  if (file === null) throw fail('server-unreachable', `no server runs in ${home}`);
  const address = normaliseUrl(file.url);
  const certificate = address.startsWith('https:') ? await readCertificate(homeLayout(home).certificateFile) : null;
  const own = token ?? (await homeToken(home, address));
  return { url: address, token: own, bootId: file.bootId, pid: file.pid, certificate };
}

/** For an address that was given: the certificate that was named with it, or the home's when the address is the home's. */
async function findCertificate(
  address: string,
  { home, certificateFile }: { home: string; certificateFile: string | null },
): Promise<string | null> {
  if (!address.startsWith('https:')) return null;
  if (certificateFile !== null) return readCertificate(certificateFile);
  const file = await readServerFile(home).catch(() => null);
  return file !== null && normaliseUrl(file.url) === address ? readCertificate(homeLayout(home).certificateFile) : null;
}

/** Throws `home-unusable`: without it nothing is sent, rather than to whoever answers. */
async function readCertificate(path: string): Promise<string> {
  try {
    const bytes = await readIfExists(path);
    if (bytes !== null) return bytes.toString('utf8');
  } catch (error) {
    throw fail('home-unusable', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  throw fail('home-unusable', `${path}, the certificate of the server, is missing`, {
    hint: 'Start the server again with `holdfast serve`; it writes the file.',
  });
}

/** Returns the address as origin and path without a trailing slash; throws `bad-usage` for anything but http and https. */
export function normaliseUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw fail('bad-usage', `"${text}" is not a URL`, { hint: 'Write it like http://127.0.0.1:7420.' });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw fail('bad-usage', `"${text}" is neither http nor https`, { hint: 'Write it like http://127.0.0.1:7420.' });
  }
  if (url.username !== '' || url.password !== '') {
    throw fail('bad-usage', 'a URL with a name or password in it is not accepted', { hint: 'Set HOLDFAST_TOKEN.' });
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
}

/** The home's own token is for this machine only: another host must never be sent it by a mistyped address. */
async function homeToken(home: string, address: string): Promise<string | null> {
  if (!isLoopback(new URL(address).hostname)) return null;
  const path = homeLayout(home).tokenFile;
  try {
    const bytes = await readIfExists(path);
    const token = bytes?.toString('utf8').trim() ?? '';
    return token === '' ? null : token;
  } catch (error) {
    throw fail('unauthorised', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isServerFile(value: unknown): value is ServerFile {
  if (value === null || typeof value !== 'object') return false;
  const { url, pid, bootId } = value as Record<string, unknown>;
  return typeof url === 'string' && typeof pid === 'number' && typeof bootId === 'string';
}
