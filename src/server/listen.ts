import { createHttpServer } from '../api/server.ts';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import type { Parts } from './compose.ts';
import { writeServerFile } from './server-file.ts';
import { VERSION } from './version.ts';

/**
 * Opens the port and replaces `server.json`; no request is answered before the file names this server, so that nobody
 * can take an answer of this start for one of the last. Throws `port-in-use`.
 */
export async function listen(parts: Parts, address: { host: string; port: number }): Promise<void> {
  const { ctx, state, self } = parts;
  const { promise: published, resolve: publish } = Promise.withResolvers<void>();
  const http = await createHttpServer({
    services: parts.services,
    hosts: parts.config.http.allowedHosts,
    log: ctx.log,
  });
  http.addHook('onRequest', () => published);
  try {
    state.url = await http.listen(address);
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE') throw error;
    throw fail('port-in-use', `${address.host}:${address.port} is taken by another program`);
  }
  state.http = http;
  await writeServerFile(ctx.home.serverFile, { url: state.url, ...self, bootId: ctx.boot, version: VERSION });
  publish();
}
