import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Runtime } from '../command.ts';
import { cleanLine } from '../sanitise.ts';
import { refuseRemote } from '../shell.ts';

interface RestoreOptions {
  keepQueue?: boolean;
  keepCallbacks?: boolean;
}

interface Settled {
  interrupted: number;
  queued: number;
  resources: number;
  callbacks: number;
}

const HOW_TO_SEND =
  'see them with `holdfast callbacks --failed`, send one that was not sent elsewhere with `holdfast callback redeliver`';

const PHASES = {
  check: 'reading file',
  files: 'copying file',
  mirrors: 'making mirror',
  database: 'checking',
} as const;

/** Adds `restore BACKUP`: makes a home from a backup, where there is none. */
export function registerRestore(program: Command, runtime: Runtime): void {
  const command = program
    .command('restore')
    .summary('make a home from a backup')
    .description(
      'Make a home from a backup, where there is none (--home), after reading all of the backup. The home gets an id and a ' +
        'token of its own. Jobs that were at work or waited when the backup was made are blocked: they may have run, or still ' +
        'run, in the home it was made of. Callbacks that were not sent then are kept back: it may have sent them.',
    )
    .argument('<backup>', 'directory that `holdfast backup` made')
    .option(
      '--keep-queue',
      'leave jobs that waited in the queue: the home it was made of is gone and ran nothing since',
    )
    .option('--keep-callbacks', 'send callbacks that were not sent: the home it was made of is gone');
  runtime.handle<RestoreOptions>(command, async (call) => {
    const { terminal, shell, home, options, args } = call;
    refuseRemote(call);
    const { restoreHome } = await import('../../server/backup.ts');
    const from = resolve(shell.cwd, args[0] ?? '');
    const restored = await restoreHome({
      from,
      home,
      keepQueue: options.keepQueue === true,
      keepCallbacks: options.keepCallbacks === true,
      signal: shell.interrupted,
      failpoints: shell.env['HOLDFAST_FAILPOINTS'],
      onProgress: (phase, done, total) => terminal.live(`${PHASES[phase]} ${done} of ${total}`),
    });
    terminal.live(null);
    const { manifest, interrupted, queued, resources, callbacks, host } = restored;
    const { id: backup, jobs, missing, damaged } = manifest;
    const settled = { interrupted, queued, resources, callbacks };
    if (terminal.json) return terminal.document({ home, backup, from, host, jobs, ...settled, missing, damaged });
    await terminal.data(`${home}\n`);
    terminal.message(`restored ${jobs} jobs from backup ${backup}; it was checked before and after`);
    for (const line of describeSettled(settled, options)) terminal.message(line);
    for (const one of [...missing, ...damaged]) terminal.message(`not as it should be: ${cleanLine(one)}`);
    terminal.message(`start it with: holdfast serve --home ${cleanLine(home)}`);
  });
}

/** What was done to what lived or waited, and what is left to the operator. */
function describeSettled(settled: Settled, { keepQueue, keepCallbacks }: RestoreOptions): string[] {
  const { interrupted, queued, callbacks } = settled;
  const lines: string[] = [];
  if (interrupted > 0) lines.push(`at work and now blocked: ${interrupted}; retry those that did not end elsewhere`);
  if (queued > 0 && keepQueue === true) lines.push(`waiting, as before: ${queued}`);
  else if (queued > 0) lines.push(`waiting and now blocked: ${queued}; retry those that did not run elsewhere`);
  if (callbacks > 0 && keepCallbacks === true) lines.push(`callbacks to be sent, as before: ${callbacks}`);
  else if (callbacks > 0) lines.push(`callbacks kept back: ${callbacks}; ${HOW_TO_SEND}`);
  return lines;
}
