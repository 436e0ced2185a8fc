import type { Api } from './api.ts';
import { answerBrokenRequest } from './broken-request.ts';

/** Time a client has to send a whole request; one that drips is cut off with 408. */
export const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Cuts off a request whose body does not arrive in time. Node's own limit knows no exception, and a large file may take
 * longer: a route with `slowBody` limits the pauses instead.
 */
export function addRequestTimeout(app: Api): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.slowBody === true) return;
    const { raw } = request;
    const timer = setTimeout(() => {
      if (raw.complete) return;
      const late = Object.assign(new Error('the request took too long'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
      answerBrokenRequest(late, raw.socket);
    }, REQUEST_TIMEOUT_MS);
    timer.unref();
    const clear = (): void => clearTimeout(timer);
    raw.once('end', clear);
    reply.raw.once('close', clear);
  });
}
