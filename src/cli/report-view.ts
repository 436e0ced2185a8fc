import type { BootView } from '../api/contract.ts';
import { formatDuration } from '../kernel/duration.ts';
import type { RecoveryOutcome } from '../lifecycle/report.ts';
import type { View } from './job-view.ts';
import { cleanLine } from './sanitise.ts';
import { renderTable, type Cell } from './table.ts';
import type { Colours } from './terminal.ts';
import { formatBytes, relativeTime } from './times.ts';

type ReportView = NonNullable<BootView['report']>;
type FindingView = ReportView['jobs'][number];

const OUTCOME_SIGNS: Record<RecoveryOutcome, string> = {
  reattached: '●',
  completed_while_down: '✓',
  stopped_while_down: '⏱',
  resumed_warm: '↻',
  restarted_cold: '↻',
  requeued: '◔',
  quarantined: '▲',
  unchanged: '–',
};

/** Returns the report of one start for people: what was found, on what evidence, what was done, what to do next. */
export function renderReport(boot: BootView, view: View): string {
  const { colours } = view;
  const { report } = boot;
  if (report === null) {
    return `${colours.bold('Start')} ${boot.bootId}  ${relativeTime(boot.startedAt, view.now)}: its recovery has not ended, so there is no report yet\n`;
  }
  return [
    header({ ...boot, report }, view),
    phases(report, colours),
    report.jobs.length === 0
      ? 'No job was at work when this server started.\n'
      : report.jobs.map((job) => finding(job, view)).join(''),
    rest(report, colours),
  ].join('\n');
}

/** Returns the table of the kept starts, newest first. */
export function renderBoots(boots: readonly BootView[], view: View): string {
  const rows = boots.map((boot): (Cell | string)[] => [
    boot.bootId,
    { text: relativeTime(boot.startedAt, view.now), style: view.colours.dim },
    boot.previousStop,
    boot.report === null ? '–' : formatDuration(boot.report.recoveryMs),
    boot.report === null ? '–' : String(boot.report.jobs.length),
    boot.readyAt === null ? 'recovering or broken off' : boot.stoppedAt === null ? 'ready' : 'stopped',
  ]);
  return renderTable({
    columns: [
      { title: 'START' },
      { title: 'WHEN' },
      { title: 'PREVIOUS STOP' },
      { title: 'RECOVERY', align: 'right' },
      { title: 'JOBS', align: 'right' },
      { title: 'STATE' },
    ],
    rows,
    width: view.width,
    heading: view.colours.bold,
  });
}

function header(boot: BootView & { report: ReportView }, view: View): string {
  const { colours } = view;
  const { report } = boot;
  const down = report.downSeconds === null ? 'unknown' : formatDuration(report.downSeconds * 1000);
  const stop = report.previousStop === 'clean' ? colours.green('clean') : colours.yellow(report.previousStop);
  const first = report.previousBootId === null;
  const { restored } = report;
  return [
    `${colours.bold('Recovery of start')} ${report.bootId}  ${relativeTime(boot.startedAt, view.now)}`,
    first
      ? 'first start of this home'
      : `previous stop: ${stop} · down ${down} · previous start ${report.previousBootId}`,
    ...(restored === undefined
      ? []
      : [colours.yellow(`home made from backup ${restored.backupId}: ${cleanLine(restored.note)}`)]),
    `recovered in ${colours.bold(formatDuration(report.recoveryMs))}`,
    '',
  ].join('\n');
}

function phases(report: ReportView, colours: Colours): string {
  const parts = report.phases.map((phase) => {
    const text = `${phase.name} ${formatDuration(phase.ms)}${phase.retries > 0 ? ` (${phase.retries} retries)` : ''}`;
    return phase.ok ? text : colours.red(`✗ ${text}`);
  });
  return `phases: ${parts.join(' · ')}\n`;
}

function finding(job: FindingView, view: View): string {
  const { colours } = view;
  const lines = [
    outcomeStyle(job.outcome, colours)(`${OUTCOME_SIGNS[job.outcome]} job ${job.number} ${job.outcome}`) +
      colours.dim(` · was ${job.stateBefore}${job.verdict === null ? '' : ` · evidence says ${job.verdict}`}`),
  ];
  if (job.worker !== null) {
    const { attempt, pid, start, alive } = job.worker;
    lines.push(`  worker: attempt ${attempt}, pid ${pid} (start ${start}), ${alive ? 'alive' : 'gone'}`);
  }
  const gained = job.outputBytesNow - job.outputBytesBefore;
  lines.push(
    `  output: ${formatBytes(job.outputBytesNow)}${gained > 0 ? `, ${formatBytes(gained)} of it retrieved now` : ''} · work lost: ${formatDuration(job.workLostSeconds * 1000)}`,
  );
  for (const item of job.evidence) {
    const where = item.path === '' ? '' : ` ${colours.dim(cleanLine(item.path))}`;
    lines.push(`  ${colours.dim('·')} ${cleanLine(item.kind)}: ${cleanLine(item.note)}${where}`);
  }
  if (job.blocker !== null) lines.push(`  ${colours.yellow('blocker:')} ${cleanLine(job.blocker)}`);
  if (job.nextSafeAction !== 'none') {
    const command = job.command === null ? '' : `: ${colours.bold(cleanLine(job.command))}`;
    lines.push(`  ${colours.cyan('→')} ${job.nextSafeAction}${command}`);
  }
  return `${lines.join('\n')}\n`;
}

function outcomeStyle(outcome: RecoveryOutcome, colours: Colours): (text: string) => string {
  if (outcome === 'quarantined') return colours.red;
  if (outcome === 'unchanged' || outcome === 'requeued') return colours.dim;
  return outcome === 'reattached' || outcome === 'completed_while_down' ? colours.green : colours.yellow;
}

function rest(report: ReportView, colours: Colours): string {
  const lines: string[] = [];
  for (const lock of report.locks) lines.push(`lock ${cleanLine(lock.key)}: ${lock.decision}, ${cleanLine(lock.why)}`);
  for (const lease of report.leases) lines.push(`lease ${lease.key}: ${lease.decision}, ${cleanLine(lease.why)}`);
  for (const orphan of report.orphans) {
    lines.push(`orphan ${cleanLine(orphan.kind)}: ${cleanLine(orphan.path)}, ${cleanLine(orphan.note)}`);
  }
  const { checked, corrupt, files, complete, items } = report.corruption;
  const named = items === undefined && corrupt > 0 ? `: ${files.map(cleanLine).join(', ')}` : '';
  const damage = corrupt === 0 ? 'none damaged' : colours.red(`${corrupt} damaged${named}`);
  lines.push(`records checked: ${checked}, ${damage}${complete ? '' : ' (older ones are still being checked)'}`);
  for (const one of items ?? []) {
    lines.push(`  ${colours.red('▲')} ${cleanLine(one.kind)} ${cleanLine(one.item)}: ${cleanLine(one.why)}`);
    lines.push(`    ${cleanLine(one.advice)}`);
    if (one.command !== null) lines.push(`    ${colours.cyan('→')} ${one.nextSafeAction}: ${cleanLine(one.command)}`);
  }
  for (const { bootId, phase, error } of report.abortedStarts ?? []) {
    const how = error === null ? 'was ended in the middle of it' : `gave up: ${cleanLine(error)}`;
    lines.push(`${colours.yellow('aborted start')} ${cleanLine(bootId)} in phase ${cleanLine(phase)}: ${how}`);
  }
  for (const name of report.degraded) lines.push(colours.yellow(`degraded: ${cleanLine(name)}`));
  for (const warning of report.warnings) lines.push(`${colours.yellow('warning:')} ${cleanLine(warning)}`);
  return `${lines.join('\n')}\n`;
}
