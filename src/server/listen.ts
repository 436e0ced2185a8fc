import type { FastifyInstance } from 'fastify';
import { createHttpServer } from '../api/server.ts';
import { writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import type { Parts } from './compose.ts';
import { writeServerFile } from './server-file.ts';
import type { TlsMaterial } from './tls.ts';
import { VERSION } from './version.ts';

export interface ListenAddress {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** Take any free port when that one is taken, instead of failing. */
  anyPortIfTaken?: boolean;
  /** Speak TLS with these; null for plain HTTP. */
  tls: TlsMaterial | null;
}

/**
 * Opens the port and replaces `server.json`; no request is answered before the file names this server, so that nobody
 * can take an answer of this start for one of the last. Throws `port-in-use`.
 */
export async function listen(parts: Parts, address: ListenAddress): Promise<void> {
  const { ctx, state, self } = parts;
  const { limits } = parts.config;
  const { promise: published, resolve: publish } = Promise.withResolvers<void>();
  const http = await createHttpServer({
    services: parts.services,
    hosts: parts.config.http.allowedHosts,
    log: ctx.log,
    streams: { total: limits.streams, perPrincipal: limits.streamsPerPrincipal },
    ...(address.tls === null ? {} : { tls: address.tls }),
  });
  http.addHook('onRequest', () => published);
  state.url = await bind(http, address);
  state.http = http;
  // Before the file that sends clients here: they pin what lies there.
  if (address.tls !== null) await writeDurable(ctx.home.certificateFile, address.tls.own);
  await writeServerFile(ctx.home.serverFile, { url: state.url, ...self, bootId: ctx.boot, version: VERSION });
  publish();
}

async function bind(http: FastifyInstance, address: ListenAddress): Promise<string> {
  const { host, port } = address;
  try {
    return await http.listen({ host, port });
  } catch (error) {
    if (errnoOf(error) === 'EACCES' || errnoOf(error) === 'EADDRNOTAVAIL') {
      throw fail('bad-usage', `${host}:${port} cannot be listened on (${errnoOf(error)})`, {
        hint: 'Choose an address of this machine and a port above 1023.',
      });
    }
    if (errnoOf(error) !== 'EADDRINUSE') throw error;
    if (address.anyPortIfTaken === true) return await http.listen({ host, port: 0 });
    throw fail('port-in-use', `${host}:${port} is taken by another program`);
  }
}
