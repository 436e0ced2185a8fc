import { isError } from '../kernel/errors.ts';
import { readServerFile } from './address.ts';
import { isTimeout } from './client.ts';
import type { Context } from './shell.ts';

/**
 * Makes sure that a local server accepts work, starting a detached one when none does. Does nothing when the user
 * pointed at a server by address: that one is somebody else's to start.
 */
export async function ensureServer(context: Context): Promise<void> {
  if (context.remote) return;
  if ((await readServerFile(context.home)) !== null) {
    try {
      await context.client.call({ path: '/v1/version' });
      return;
    } catch (error) {
      // A server that hangs took the call: starting another would only meet its lock. Its own message says what to do.
      if (!isError(error, 'server-unreachable') || isTimeout(error.cause)) throw error;
    }
  }
  const { startDetachedServer } = await import('../server/detach.ts');
  const { home, shell, terminal } = context;
  terminal.live('starting a server…');
  const { url, pid } = await startDetachedServer({ home, env: shell.env, signal: shell.interrupted });
  terminal.live(null);
  terminal.message(`started a server at ${url} (pid ${pid}); it stays: stop it with \`holdfast server stop\``);
}
