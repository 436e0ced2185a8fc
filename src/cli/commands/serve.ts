import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Runtime } from '../command.ts';
import { readTlsOptions } from '../tls-options.ts';
import { wholeNumber } from '../words.ts';

/** The usual port of a server. */
const DEFAULT_PORT = 7420;

interface ServeOptions {
  host: string;
  port: number | 'auto';
  config?: string;
  takeover?: boolean;
  tlsCert?: string;
  tlsKey?: string;
}

/** Reads a port, or `auto`. Throws `bad-usage`. */
function readPort(text: string): number | 'auto' {
  return text === 'auto' ? 'auto' : wholeNumber(0, 65_535)(text);
}

/** Adds `serve`: a server in the foreground until Ctrl-C or SIGTERM. Agents outlive it either way. */
export function registerServe(program: Command, runtime: Runtime): void {
  const command = program
    .command('serve')
    .summary('run a server in the foreground')
    .description('Run a server in the foreground. Stopping it, in whatever way, does not touch the agents at work.')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on, 0 for any free one; auto: the usual one or any', readPort, DEFAULT_PORT)
    .option('--config <file>', 'configuration (default: holdfast.config.json in the home)')
    .option('--tls-cert <file>', 'speak https with this certificate (PEM); needs --tls-key')
    .option('--tls-key <file>', 'key of the certificate (PEM, no passphrase)')
    .option('--takeover', 'kill the server that holds the home, for one that hangs');
  runtime.handle<ServeOptions>(command, async ({ shell, home, options }) => {
    const { serve } = await import('../../server/serve.ts');
    const server = await serve({
      home,
      host: options.host,
      port: options.port === 'auto' ? DEFAULT_PORT : options.port,
      anyPortIfTaken: options.port === 'auto',
      configPath: options.config === undefined ? null : resolve(shell.cwd, options.config),
      takeover: options.takeover === true,
      tls: readTlsOptions(options, shell.cwd),
      log: shell.stderr.isTTY === true ? 'pretty' : 'json',
      failpoints: shell.env['HOLDFAST_FAILPOINTS'],
    });
    // Node keeps what it compiled when a process ends by itself; a server ends by a crash, so the next start would pay again.
    flushCompileCache();
    if (!shell.interrupted.aborted) await once(shell.interrupted, 'abort');
    await server.close();
  });
}
