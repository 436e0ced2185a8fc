import type { Command } from 'commander';
import type { BootView, PageView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import { fail } from '../../kernel/errors.ts';
import type { Runtime } from '../command.ts';
import { renderBoots, renderReport } from '../report-view.ts';
import { registerQuarantine } from './quarantine.ts';
import { registerRecoveryStatus } from './recovery-status.ts';

/** Adds `recovery report [BOOT]|status|quarantine [release ID]`: what a start of the server found and did. */
export function registerRecovery(program: Command, runtime: Runtime): void {
  const recovery = program.command('recovery').summary('what a start found and did').description('Look at recoveries.');
  const report = recovery
    .command('report')
    .description('Show what a start of the server found, on what evidence, what it did and what to do next.')
    .argument('[boot]', 'id of a start, or a unique prefix (default: the latest)')
    .option('--list', 'list the kept starts instead');
  registerRecoveryStatus(recovery, runtime);
  registerQuarantine(recovery, runtime);
  runtime.handle<{ list?: boolean }>(report, async ({ terminal, client, args, options }) => {
    const page = await client.get<PageView<BootView>>('/v1/recovery/boots');
    const view = { colours: terminal.colours, width: terminal.width, now: systemClock.now() };
    if (options.list === true) {
      if (terminal.json) return terminal.document(page);
      return terminal.data(renderBoots(page.items, view));
    }
    const boot = findBoot(page.items, args[0] ?? 'latest');
    if (!terminal.json) return terminal.data(renderReport(boot, view));
    if (boot.report === null) throw fail('not-found', `start ${boot.bootId} has not written its report`);
    await terminal.document(boot.report);
  });
}

function findBoot(boots: readonly BootView[], reference: string): BootView {
  const found = reference === 'latest' ? boots.slice(0, 1) : boots.filter((boot) => boot.bootId.startsWith(reference));
  const exact = found.find((boot) => boot.bootId === reference) ?? found[0];
  if (exact === undefined) {
    throw fail('not-found', `no start "${reference}" among the last ones`, {
      hint: 'See `holdfast recovery report --list`.',
    });
  }
  if (found.length > 1 && exact.bootId !== reference)
    throw fail('ambiguous-id', `"${reference}" fits ${found.length} starts`);
  return exact;
}
