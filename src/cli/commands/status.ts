import type { Command } from 'commander';
import pc from 'picocolors';
import type { JobView, PageView } from '../../api/contract.ts';
import type { JobState } from '../../lifecycle/transitions.ts';
import type { Runtime } from '../command.ts';
import { commandForAction, showRecovery, showState } from '../job-view.ts';
import { getJob } from '../references.ts';
import { cleanLine } from '../sanitise.ts';
import { renderFields, renderTable, type Cell } from '../table.ts';
import type { Colours } from '../terminal.ts';

const PLAIN = pc.createColors(false);
/** States of jobs that have not ended, those that need somebody first. */
const LIVE: readonly JobState[] = ['quarantined', 'blocked', 'running', 'preparing', 'queued', 'waiting', 'created'];
/** Jobs of each that are asked for. */
const MOST = 100;

/** Adds `status`: where each job that has not ended is, and what is done about it. Changes nothing. */
export function registerStatus(program: Command, runtime: Runtime): void {
  const command = program
    .command('status')
    .summary('tell where jobs are, and what to do')
    .description(
      'Tell of a job, or of all that have not ended: its stage, the attempt that is under way, the last artifact that is safe,\n' +
        'what blocks it, the next safe action, and what its recovery is doing. Looking changes nothing.',
    )
    .argument('[job]');
  runtime.handle(command, async (call) => {
    const { client, terminal } = call;
    const [reference] = call.args;
    if (reference !== undefined) {
      const status = pick(await getJob(call, reference));
      if (terminal.json) return terminal.document(status);
      return terminal.data(renderFields(fieldsOf(status, terminal.colours), terminal.colours.dim));
    }
    const pages = await Promise.all(
      LIVE.map((state) => client.get<PageView<JobView>>('/v1/jobs', { state, limit: MOST })),
    );
    const items = pages.flatMap((page) => page.items).map(pick);
    if (terminal.json) return terminal.document({ items });
    if (items.length === 0) return terminal.message('every job has ended\n→ holdfast jobs');
    await terminal.data(renderStatuses(items, { colours: terminal.colours, width: terminal.width }));
    const cut = LIVE.filter((_, at) => pages[at]?.nextCursor !== null);
    if (cut.length > 0) terminal.message(`there are more that are ${cut.join(', ')}: holdfast jobs --state ${cut[0]}`);
  });
}

/** What a status tells of a job; its form is part of the interface. */
function pick(job: JobView) {
  const { number, id, state, frozen, stage, pendingAttempt, lastDurableArtifact, reason, blocker } = job;
  const { nextSafeAction, recovery } = job;
  const command = commandForAction(nextSafeAction, number);
  const place = { job: number, id, state, frozen, stage, pendingAttempt, lastDurableArtifact };
  return { ...place, reason, blocker, nextSafeAction, command, recovery };
}
type Status = ReturnType<typeof pick>;

function fieldsOf(status: Status, colours: Colours): [string, string | null][] {
  return [
    ['job', `${status.job}  ${showState(status.state, colours)}${status.frozen ? '  frozen' : ''}`],
    ['stage', status.stage],
    ['under way', status.pendingAttempt],
    ['last artifact', status.lastDurableArtifact === null ? null : cleanLine(status.lastDurableArtifact)],
    ['blocker', status.blocker === null ? null : colours.yellow(cleanLine(status.blocker))],
    ['next', status.command === null ? status.nextSafeAction : `${status.nextSafeAction}: ${status.command}`],
    ['recovery', status.recovery === null ? null : showRecovery(status.recovery)],
  ];
}

function renderStatuses(items: readonly Status[], view: { colours: Colours; width: number | null }): string {
  const columns = [
    { title: 'JOB', align: 'right' as const },
    { title: 'STATE' },
    { title: 'STAGE' },
    { title: 'RECOVERY' },
    { title: 'NEXT' },
    { title: 'BLOCKER', flexible: true },
  ];
  const rows = items.map((status): (Cell | string)[] => [
    String(status.job),
    // Coloured words would be measured with their colours.
    `${showState(status.state, PLAIN)}${status.frozen ? ', frozen' : ''}`,
    status.stage,
    status.recovery === null ? '–' : showRecovery(status.recovery),
    status.command ?? status.nextSafeAction,
    cleanLine(status.blocker ?? ''),
  ]);
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}
