import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { VersionView } from '../../api/contract.ts';
import { isError } from '../../kernel/errors.ts';
import { messageOf } from '../../kernel/result.ts';
import type { FoundServer } from '../../server/control.ts';
import { isTimeout } from '../client.ts';
import type { Call, Runtime } from '../command.ts';
import { refuseRemote, type Context } from '../shell.ts';
import { registerInstallService } from './install-service.ts';
import { renderFields } from '../table.ts';
import { readTlsOptions } from '../tls-options.ts';
import { wholeNumber } from '../words.ts';

interface StartOptions {
  host?: string;
  port?: number;
  config?: string;
  tlsCert?: string;
  tlsKey?: string;
}

/** What `server status` tells. */
interface Status {
  running: boolean;
  ready: boolean;
  phase: string;
  url: string | null;
  pid: number | null;
  bootId: string | null;
  version: string | null;
  home: string;
}

/** Adds `server start|stop|status|install-service`: the detached server of this home. */
export function registerServer(program: Command, runtime: Runtime): void {
  const server = program
    .command('server')
    .summary('start, stop or ask a detached server')
    .description('Manage the local server.');
  const start = server
    .command('start')
    .description('Start a detached server; fine when one runs. Its messages go to server.log in the home.')
    .option('--host <address>', 'address to listen on')
    .option('--port <n>', 'port to listen on (default: the usual one, or any free one)', wholeNumber(0, 65_535))
    .option('--config <file>', 'configuration (default: holdfast.config.json in the home)')
    .option('--tls-cert <file>', 'speak https with this certificate (PEM); needs --tls-key')
    .option('--tls-key <file>', 'key of the certificate (PEM, no passphrase)');
  runtime.handle<StartOptions>(start, startServer);
  const stop = server.command('stop').description('Stop the server of this home. Agents at work go on.');
  runtime.handle(stop, stopServer);
  const status = server
    .command('status')
    .description('Tell whether a server runs here and accepts work; exit code 6 if not.');
  runtime.handle(status, printStatus);
  registerInstallService(server, runtime);
}

async function startServer(call: Call<StartOptions>): Promise<void> {
  refuseRemote(call);
  const { home, shell, terminal, options } = call;
  const tls = readTlsOptions(options, shell.cwd);
  const { findServerProcess } = await import('../../server/control.ts');
  const found = await findServerProcess(home);
  if (found?.alive === true) {
    const status = await readStatus(call);
    if (terminal.json) return terminal.document(status);
    const state = status.ready ? '' : `: ${status.phase}`;
    return terminal.message(`a server runs already at ${found.url} (pid ${found.pid})${state}`);
  }
  const { startDetachedServer } = await import('../../server/detach.ts');
  terminal.live('starting a server…');
  const { url, pid } = await startDetachedServer({
    home,
    env: shell.env,
    host: options.host,
    port: options.port,
    tls,
    configPath: options.config === undefined ? null : resolve(shell.cwd, options.config),
    signal: shell.interrupted,
  });
  terminal.live(null);
  if (terminal.json) return terminal.document(await readStatus(call));
  await terminal.data(`${url}\n`);
  terminal.message(`server started (pid ${pid}), home ${home}`);
}

async function stopServer(context: Context): Promise<void> {
  refuseRemote(context);
  const { terminal, home, shell } = context;
  const control = await import('../../server/control.ts');
  const pid = await control.stopServer(home, { signal: shell.interrupted });
  if (terminal.json) return terminal.document({ stopped: pid !== null, pid });
  terminal.message(pid === null ? `no server runs in ${home}` : `server stopped (pid ${pid}); agents at work go on`);
}

async function printStatus(context: Context): Promise<number> {
  const { terminal } = context;
  const status = await readStatus(context);
  if (terminal.json) {
    await terminal.document(status);
  } else {
    const { colours } = terminal;
    const word = status.ready ? colours.green('● ready') : colours.yellow(`■ ${status.phase}`);
    await terminal.data(
      renderFields(
        [
          ['server', word],
          ['url', status.url],
          ['pid', status.pid === null ? null : String(status.pid)],
          ['start', status.bootId],
          ['version', status.version],
          ['home', status.home],
        ],
        colours.dim,
      ),
    );
  }
  return status.ready ? 0 : 6;
}

async function readStatus(context: Context): Promise<Status> {
  const { client, home, remote } = context;
  const known = remote ? null : await findLocal(home);
  const status: Status = {
    running: known?.alive ?? false,
    ready: false,
    phase: known === null || !known.alive ? 'not running' : 'not answering',
    url: known?.url ?? null,
    pid: known?.pid ?? null,
    bootId: known?.bootId ?? null,
    version: known?.version ?? null,
    home,
  };
  if (known !== null && !known.alive) return { ...status, pid: null };
  if (known === null && !remote) return status;
  if (known?.stopped === true)
    return { ...status, phase: `stopped by a signal; \`kill -CONT ${known.pid}\` lets it go on` };
  try {
    const version = await client.get<VersionView>('/v1/version');
    const { url } = await client.address();
    const answering = { ...status, running: true, url, bootId: version.bootId, version: version.version };
    try {
      const response = await client.once({ path: '/readyz' });
      const { phase } = (await response.json()) as { phase: string };
      return { ...answering, ready: true, phase };
    } catch (error) {
      if (!isError(error, 'not-ready')) throw error;
      return { ...answering, phase: error.detail };
    }
  } catch (error) {
    if (!isError(error, 'server-unreachable')) throw error;
    const why = isTimeout(error.cause) ? 'it hangs' : messageOf(error);
    return { ...status, phase: `not answering (${why})` };
  }
}

async function findLocal(home: string): Promise<FoundServer | null> {
  const { findServerProcess } = await import('../../server/control.ts');
  return findServerProcess(home);
}
