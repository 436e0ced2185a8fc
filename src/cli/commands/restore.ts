import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Runtime } from '../command.ts';
import { cleanLine } from '../sanitise.ts';
import { refuseRemote } from '../shell.ts';

interface RestoreOptions {
  keepQueue?: boolean;
}

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
        'run, in the home it was made of.',
    )
    .argument('<backup>', 'directory that `holdfast backup` made')
    .option(
      '--keep-queue',
      'leave jobs that waited in the queue: the home it was made of is gone and ran nothing since',
    );
  runtime.handle<RestoreOptions>(command, async (call) => {
    const { terminal, shell, home, options, args } = call;
    refuseRemote(call);
    const { restoreHome } = await import('../../server/backup.ts');
    const from = resolve(shell.cwd, args[0] ?? '');
    const restored = await restoreHome({
      from,
      home,
      keepQueue: options.keepQueue === true,
      signal: shell.interrupted,
      failpoints: shell.env['HOLDFAST_FAILPOINTS'],
      onProgress: (phase, done, total) => terminal.live(`${PHASES[phase]} ${done} of ${total}`),
    });
    terminal.live(null);
    const { manifest, host, interrupted, queued, resources } = restored;
    const { id: backup, jobs, missing, damaged } = manifest;
    if (terminal.json)
      return terminal.document({ home, backup, from, host, jobs, interrupted, queued, resources, missing, damaged });
    await terminal.data(`${home}\n`);
    terminal.message(`restored ${jobs} jobs from backup ${backup}; it was checked before and after`);
    if (interrupted > 0)
      terminal.message(`at work and now blocked: ${interrupted}; retry those that did not end elsewhere`);
    if (queued > 0)
      terminal.message(
        options.keepQueue === true
          ? `waiting, as before: ${queued}`
          : `waiting and now blocked: ${queued}; retry those that did not run elsewhere`,
      );
    for (const one of [...missing, ...damaged]) terminal.message(`not as it should be: ${cleanLine(one)}`);
    terminal.message(`start it with: holdfast serve --home ${cleanLine(home)}`);
  });
}
