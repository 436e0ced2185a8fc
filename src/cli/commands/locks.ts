import type { Command } from 'commander';
import type { LeaseView, LockView, PageView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Runtime } from '../command.ts';
import { renderLeases, renderLocks } from '../lock-view.ts';

/** Adds `locks` and `locks clear KEY`: who holds which short critical section. */
export function registerLocks(program: Command, runtime: Runtime): void {
  const locks = program
    .command('locks')
    .summary('show locks')
    .description('Show the locks: repo:NAME while a repository is fetched and copied, tests:NAME while its tests run.');
  runtime.handle(locks, async ({ client, terminal }) => {
    const page = await client.get<PageView<LockView>>('/v1/locks');
    if (terminal.json) return terminal.document(page);
    if (page.items.length === 0) return terminal.message('nobody holds a lock');
    await terminal.data(
      renderLocks(page.items, { colours: terminal.colours, width: terminal.width, now: systemClock.now() }),
    );
  });
  const clear = locks
    .command('clear')
    .description('Take a lock away, also a damaged one. Refused while its holder lives.')
    .argument('<key>', 'as `holdfast locks` shows it, like repo:app');
  runtime.handle(clear, async ({ client, terminal, args }) => {
    const [key = ''] = args;
    await client.send({ method: 'DELETE', path: `/v1/locks/${encodeURIComponent(key)}` });
    if (terminal.json) return terminal.document({ key, cleared: true });
    terminal.message(`lock ${key} is cleared`);
  });
}

/** Adds `leases`: the long-lived rights of the jobs at work. */
export function registerLeases(program: Command, runtime: Runtime): void {
  const leases = program
    .command('leases')
    .summary('show leases')
    .description(
      'Show the long-lived rights of jobs, and who waits: the workspace, the branch, and the paths that a packet may touch.',
    );
  runtime.handle(leases, async ({ client, terminal }) => {
    const page = await client.get<PageView<LeaseView>>('/v1/leases');
    if (terminal.json) return terminal.document(page);
    if (page.items.length === 0) return terminal.message('no job is at work');
    await terminal.data(
      renderLeases(page.items, { colours: terminal.colours, width: terminal.width, now: systemClock.now() }),
    );
  });
}
