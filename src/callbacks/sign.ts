/** Signatures of the Standard Webhooks specification, version 1 (symmetric). */
import { createHmac } from 'node:crypto';

/** What every secret begins with; base64 of the key follows. */
export const SECRET_PREFIX = 'whsec_';

/** Returns the value of `webhook-signature`: one signature for each secret, so that a receiver may know any of them. */
export function signMessage(
  message: { id: string; timestampSeconds: number; body: string },
  secrets: readonly string[],
): string {
  const signed = `${message.id}.${message.timestampSeconds}.${message.body}`;
  return secrets
    .map((secret) => {
      const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
      return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
    })
    .join(' ');
}
