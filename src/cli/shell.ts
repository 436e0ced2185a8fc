import { fail } from '../kernel/errors.ts';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { Client } from './client.ts';
import { findServer } from './address.ts';
import { Terminal } from './terminal.ts';

/** An output of the process; a plain pipe in tests, a terminal for a person. */
export type Output = Writable & { isTTY?: boolean; columns?: number };

/** The ends of the process, handed in so that commands can be run and read in a test. */
export interface Shell {
  env: NodeJS.ProcessEnv;
  cwd: string;
  stdin: Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  stdout: Output;
  stderr: Output;
  /** Aborted by Ctrl-C and SIGTERM: what follows or waits lets go, nothing is stopped on the server. */
  interrupted: AbortSignal;
}

/** Options every command understands. */
export interface GlobalOptions {
  json?: boolean;
  url?: string;
  home?: string;
  color?: boolean;
  yes?: boolean;
  input?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

/** What a command works with. */
export interface Context {
  shell: Shell;
  options: GlobalOptions;
  terminal: Terminal;
  client: Client;
  /** Absolute path of the home on this machine. */
  home: string;
  /** Whether the user pointed at a server by address: then none is started or stopped here. */
  remote: boolean;
  /** Words after `--`, or null when there was none. */
  tail: string[] | null;
}

/** Returns the home: `--home`, HOLDFAST_HOME, $XDG_STATE_HOME/holdfast, else ~/.local/state/holdfast. */
export function findHome(option: string | undefined, shell: Pick<Shell, 'env' | 'cwd'>): string {
  const named = option ?? given(shell.env['HOLDFAST_HOME']);
  if (named !== undefined) return resolve(shell.cwd, named);
  const state = given(shell.env['XDG_STATE_HOME']);
  // The XDG specification has relative paths ignored.
  if (state?.startsWith('/') === true) return join(state, 'holdfast');
  return join(given(shell.env['HOME']) ?? homedir(), '.local', 'state', 'holdfast');
}

/** Returns the context of one command. */
export function makeContext(input: { shell: Shell; options: GlobalOptions; tail: string[] | null }): Context {
  const { shell, options, tail } = input;
  const home = findHome(options.home, shell);
  const url = options.url ?? given(shell.env['HOLDFAST_URL']) ?? null;
  const token = given(shell.env['HOLDFAST_TOKEN']) ?? null;
  const terminal = new Terminal({ shell, options });
  const client = new Client({
    find: () => findServer({ home, url, token, certificateFile: given(shell.env['HOLDFAST_CA_FILE']) ?? null }),
    notice: (text) => terminal.detail(text),
    interrupted: shell.interrupted,
  });
  return { shell, options, terminal, client, home, remote: url !== null, tail };
}

function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

/** Throws `bad-usage` when the user pointed at a server by address: that one is not managed from here. */
export function refuseRemote(context: Context): void {
  if (!context.remote) return;
  throw fail('bad-usage', 'a server at a given address is not managed from here', {
    hint: 'Leave out --url and HOLDFAST_URL to mean the server of the home.',
  });
}
