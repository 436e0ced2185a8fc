import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../kernel/clock.ts';
import { toIso } from '../kernel/clock.ts';
import { fail } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';

/** Files of a certificate (PEM, the server's own first, then its chain) and of its key. */
export interface TlsFiles {
  cert: string;
  key: string;
}

/** What a server needs to speak TLS. */
export interface TlsMaterial {
  cert: string;
  key: string;
  /** The server's own certificate alone, as PEM: what its clients pin. */
  own: string;
}

/**
 * Reads certificate and key and makes sure that a server can be opened with them, before anything else is done. Throws
 * `bad-certificate`; a key others can read is warned about.
 */
export async function readTls(files: TlsFiles, { clock, log }: { clock: Clock; log: Log }): Promise<TlsMaterial> {
  const cert = await readText(files.cert);
  const key = await readText(files.key);
  const own = parse(files.cert, () => new X509Certificate(cert));
  const secret: KeyObject = parse(files.key, () => createPrivateKey(key));
  if (!own.checkPrivateKey(secret)) {
    throw fail('bad-certificate', `the key in ${files.key} is not that of the certificate in ${files.cert}`);
  }
  const now = clock.now();
  if (Date.parse(own.validTo) <= now) {
    throw fail('bad-certificate', `${files.cert} expired at ${toIso(Date.parse(own.validTo))}`);
  }
  if (Date.parse(own.validFrom) > now) {
    throw fail('bad-certificate', `${files.cert} counts from ${toIso(Date.parse(own.validFrom))} only`);
  }
  parse(files.cert, () => createSecureContext({ cert, key }));
  const { mode } = await stat(files.key);
  if ((mode & 0o077) !== 0) log.warn(`others can read the key ${files.key}: chmod 600 it`);
  return { cert, key, own: own.toString() };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fail('bad-certificate', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function parse<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw fail('bad-certificate', `${path} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}
