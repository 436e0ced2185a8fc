/** The unit that lets systemd keep a server alive without ever taking its agents along. */
import { fileURLToPath } from 'node:url';
import { makeDirectory, readIfExists, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { dirname } from 'node:path';

/** First line of every unit of ours: a file without it was written by somebody else. */
const MARK = '# Made by `holdfast server install-service`; run it again to change it.';
/** Exit codes that another start would not change: usage, and a home that another server holds. */
const FINAL_EXITS = '2 5';

/**
 * Returns the text of the unit. `manager` says whose systemd it is for; `path` is the PATH of the server and, by the
 * allowlist, of its agents; `words` follow `holdfast serve`.
 */
export function renderServiceUnit(what: {
  manager: 'system' | 'user';
  home: string;
  path: string;
  words: readonly string[];
}): string {
  const program = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));
  const argv = [program, 'serve', '--home', what.home, ...what.words];
  return `${MARK}
[Unit]
Description=Holdfast, a runner for coding agents
After=network.target

[Service]
Type=exec
ExecStart=${argv.map((word) => quote(word).replaceAll('$', '$$$$')).join(' ')}
Environment=${quote(`PATH=${what.path}`)}
UMask=0077
# A stop or a restart is for the server alone: agents go on and are taken up again.
KillMode=process
# An agent that runs out of memory must not end the server with it.
OOMPolicy=continue
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=${FINAL_EXITS}

[Install]
WantedBy=${what.manager === 'user' ? 'default.target' : 'multi-user.target'}
`;
}

/** Writes the unit, in place of an older one of ours. Throws `already-exists` for a file that is not. */
export async function writeServiceUnit(path: string, text: string): Promise<void> {
  const before = await readIfExists(path);
  if (before !== null && !before.toString().startsWith(MARK)) {
    throw fail('already-exists', `${path} exists and was not made by this command`, {
      hint: 'Compare it with `holdfast server install-service --print`, then move it away.',
    });
  }
  await makeDirectory(dirname(path));
  await writeDurable(path, text, 0o644);
}

/** One word as systemd reads it back: quoted, with its specifiers doubled. */
function quote(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('\n', '\\n')}"`;
}
