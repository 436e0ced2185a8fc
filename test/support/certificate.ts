import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Makes a certificate and its key with openssl, good for two days; `subject` need not be where a server answers. */
export function makeCertificate(directory: string, name: string, names: string): { cert: string; key: string } {
  const files = { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`];
  const args = ['req', '-x509', ...kind, ...subject, '-keyout', files.key, '-out', files.cert];
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  return files;
}
