import { resolve } from 'node:path';
import { fail } from '../kernel/errors.ts';

/** Returns the files of `--tls-cert` and `--tls-key`, absolute; null without both. Throws `bad-usage` for one alone. */
export function readTlsOptions(
  options: { tlsCert?: string; tlsKey?: string },
  cwd: string,
): { cert: string; key: string } | null {
  const { tlsCert, tlsKey } = options;
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw fail('bad-usage', tlsCert === undefined ? '--tls-key needs --tls-cert' : '--tls-cert needs --tls-key', {
      hint: 'Give both: a certificate and its key.',
    });
  }
  return { cert: resolve(cwd, tlsCert), key: resolve(cwd, tlsKey) };
}
