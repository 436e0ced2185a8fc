import type { Command } from 'commander';
import type { BootView, PageView, QuarantineItemView } from '../../api/contract.ts';
import { formatDuration } from '../../kernel/duration.ts';
import type { Runtime } from '../command.ts';
import { cleanLine } from '../sanitise.ts';
import { renderFields } from '../table.ts';

/** What `recovery status` tells. */
interface Status {
  bootId: string;
  previousStop: string;
  ready: boolean;
  phase: string;
  recoveryMs: number | null;
  degraded: string[];
  abortedStarts: number;
  corruption: { checked: number; corrupt: number; complete: boolean } | null;
  /** Open items, at most 200 counted one by one. */
  quarantined: number;
}

const COUNTED = 200;

/** Adds `recovery status`: one look at the recovery of this start. Changes nothing. */
export function registerRecoveryStatus(recovery: Command, runtime: Runtime): void {
  const command = recovery
    .command('status')
    .description('Tell how far the recovery of this start is, and what it left to do. Changes nothing.');
  runtime.handle(command, async ({ client, terminal }) => {
    const boots = await client.get<PageView<BootView>>('/v1/recovery/boots');
    const [boot] = boots.items;
    const report = boot?.report ?? null;
    const isReady = boot?.readyAt !== null && boot !== undefined;
    const quarantine = isReady
      ? await client.get<PageView<QuarantineItemView>>('/v1/quarantine', { limit: COUNTED })
      : { items: [] };
    const status: Status = {
      bootId: boot?.bootId ?? '',
      previousStop: boot?.previousStop ?? 'unknown',
      ready: isReady,
      phase: isReady ? 'ready' : (report?.phases.at(-1)?.name ?? 'store'),
      recoveryMs: isReady ? (report?.recoveryMs ?? null) : null,
      degraded: report?.degraded ?? [],
      abortedStarts: report?.abortedStarts?.length ?? 0,
      corruption: report === null ? null : pick(report.corruption),
      quarantined: quarantine.items.length,
    };
    if (terminal.json) return terminal.document(status);
    await terminal.data(renderFields(fieldsOf(status), terminal.colours.dim));
  });
}

function pick({ checked, corrupt, complete }: NonNullable<BootView['report']>['corruption']) {
  return { checked, corrupt, complete };
}

function fieldsOf(status: Status): [string, string | null][] {
  const { corruption, recoveryMs } = status;
  const check = corruption?.complete === true ? 'all history checked' : 'history is being checked';
  return [
    ['start', status.bootId],
    ['state', recoveryMs === null ? `in phase ${status.phase}` : `ready after ${formatDuration(recoveryMs)}`],
    ['previous stop', status.previousStop],
    ['aborted starts', status.abortedStarts === 0 ? null : String(status.abortedStarts)],
    ['degraded', status.degraded.length === 0 ? null : status.degraded.map(cleanLine).join(', ')],
    ['records', corruption === null ? null : `${corruption.checked} checked, ${corruption.corrupt} damaged, ${check}`],
    ['quarantined', `${status.quarantined}${status.quarantined >= COUNTED ? ' or more' : ''}`],
  ];
}
