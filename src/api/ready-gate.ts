import { fail } from '../kernel/errors.ts';
import type { Api, RouteContext } from './api.ts';

/** Seconds a client should wait before it asks a recovering server again. */
const RETRY_AFTER_S = 1;

/** Refuses with `not-ready` what must not be answered before recovery has ended, or once the server is stopping. */
export function addReadyGate(app: Api, { services, stopping }: RouteContext): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.whileRecovering === true) return;
    const { ready, phase } = services.readiness();
    if (ready && !stopping.aborted) return;
    reply.header('retry-after', RETRY_AFTER_S);
    throw fail('not-ready', stopping.aborted ? 'the server is stopping' : `recovering, in phase ${phase}`);
  });
}
