import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Call, Runtime } from '../command.ts';
import { wholeNumber } from '../words.ts';
import { refuseRemote } from '../shell.ts';

interface InstallOptions {
  host?: string;
  port?: number;
  config?: string;
  print?: boolean;
}

/** Adds `server install-service`: the unit of this home for the systemd of this user, or of the system for root. */
export function registerInstallService(server: Command, runtime: Runtime): void {
  const command = server
    .command('install-service')
    .description('Write a systemd unit for the server of this home, and say how to switch it on. Starts nothing.')
    .option('--host <address>', 'address to listen on')
    .option('--port <n>', 'port to listen on', wholeNumber(0, 65_535))
    .option('--config <file>', 'configuration (default: holdfast.config.json in the home)')
    .option('--print', 'print the unit, write nothing');
  runtime.handle<InstallOptions>(command, installService);
}

async function installService(call: Call<InstallOptions>): Promise<void> {
  refuseRemote(call);
  const { home, shell, terminal, options } = call;
  const { renderServiceUnit, writeServiceUnit } = await import('../../server/service-unit.ts');
  const manager = process.getuid?.() === 0 ? 'system' : 'user';
  const text = renderServiceUnit({ manager, home, path: shell.env['PATH'] ?? '', words: serveWords(call) });
  if (options.print === true) return terminal.data(text);
  const path = unitPath(manager, shell.env);
  await writeServiceUnit(path, text);
  const systemctl = manager === 'user' ? 'systemctl --user' : 'systemctl';
  const enable = [`${systemctl} daemon-reload`, `${systemctl} enable --now holdfast`];
  // Without it the manager of a user, and all it started, ends with the last session.
  if (manager === 'user') enable.push('loginctl enable-linger');
  if (terminal.json) return terminal.document({ path, enable });
  await terminal.data(`${path}\n`);
  terminal.message(`switch it on with: ${enable.join(' && ')}`);
}

function serveWords({ options, shell }: Call<InstallOptions>): string[] {
  return [
    ...(options.host === undefined ? [] : ['--host', options.host]),
    ...(options.port === undefined ? [] : ['--port', String(options.port)]),
    ...(options.config === undefined ? [] : ['--config', resolve(shell.cwd, options.config)]),
  ];
}

function unitPath(manager: 'system' | 'user', env: NodeJS.ProcessEnv): string {
  if (manager === 'system') return '/etc/systemd/system/holdfast.service';
  const configured = env['XDG_CONFIG_HOME'];
  const config = configured?.startsWith('/') === true ? configured : join(env['HOME'] ?? '', '.config');
  return join(config, 'systemd/user/holdfast.service');
}
