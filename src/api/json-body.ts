import { fail } from '../kernel/errors.ts';
import type { Api } from './api.ts';

/** Largest body: a prompt of 1 MiB fits however it is escaped (six bytes for one at the worst), with room for the rest. */
export const MAX_BODY_BYTES = 7 * 2 ** 20;

/**
 * Makes JSON the only body this server reads. Bytes that are not UTF-8 are refused instead of being replaced: a prompt
 * is stored as it was sent or not at all. An empty body counts as none.
 */
export function addJsonBody(app: Api): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) {
      done(null, undefined);
      return;
    }
    let text: string;
    try {
      text = decoder.decode(body as Buffer);
    } catch {
      done(fail('bad-request', 'the body is not valid UTF-8'));
      return;
    }
    parse.call(app, request, text, done);
  });
}
