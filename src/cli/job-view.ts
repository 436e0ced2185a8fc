import type { AttemptView, JobView } from '../api/contract.ts';
import type { NextSafeAction } from '../lifecycle/report.ts';
import type { AttemptState, JobState } from '../lifecycle/transitions.ts';
import { cleanLine } from './sanitise.ts';
import { describeEstimate, whenStarts } from './statistics-view.ts';
import { renderFields, renderTable, type Cell, type Column } from './table.ts';
import type { Colours } from './terminal.ts';
import { elapsedTime, formatBytes, relativeTime } from './times.ts';

/** How something is drawn for people. */
export interface View {
  colours: Colours;
  /** Columns of the terminal, or null. */
  width: number | null;
  /** Milliseconds since 1970. */
  now: number;
}

/** A sign before each state, so that it never depends on colour alone. */
const SIGNS: Record<JobState, string> = {
  created: '○',
  waiting: '◌',
  queued: '◔',
  preparing: '◑',
  running: '●',
  blocked: '■',
  quarantined: '▲',
  ready: '◆',
  completed: '✓',
  failed: '✗',
  cancelled: '–',
  timed_out: '⏱',
};

/** Returns the colour of a state. */
function stateStyle(state: JobState | AttemptState, colours: Colours): (text: string) => string {
  switch (state) {
    case 'ready':
    case 'completed':
    case 'finished':
      return colours.green;
    case 'failed':
    case 'timed_out':
      return colours.red;
    case 'blocked':
    case 'quarantined':
    case 'interrupted':
      return colours.yellow;
    case 'preparing':
    case 'running':
      return colours.cyan;
    default:
      return colours.dim;
  }
}

/** Returns the state as sign and word, coloured. */
export function showState(state: JobState, colours: Colours): string {
  return stateStyle(state, colours)(`${SIGNS[state]} ${state}`);
}

/** Returns what recovery is doing as sign and word. */
export function showRecovery(recovery: NonNullable<JobView['recovery']>): string {
  return { running: '🤖 recovery running', queued: '⏳ recovery queued', none: '🔴 nobody on it' }[recovery];
}

/** Returns the exact command for an action the server names, or null when there is nothing to do. */
export function commandForAction(action: NextSafeAction, number: number): string | null {
  switch (action) {
    case 'none':
      return null;
    case 'wait':
      return `holdfast wait ${number}`;
    case 'start':
      return `holdfast start ${number}`;
    case 'unfreeze':
      return `holdfast unfreeze ${number}`;
    case 'fixup':
      return `holdfast fixup ${number}`;
    case 'resume':
    case 'retry':
      return `holdfast retry ${number}`;
    case 'review':
      return `holdfast diff ${number}`;
    case 'inspect_quarantine':
      return 'holdfast recovery report';
    case 'free_disk':
      return 'holdfast doctor';
    case 'fix_config':
      return `holdfast doctor, then holdfast retry ${number}`;
    case 'abandon':
      return `holdfast cancel ${number}`;
  }
}

const JOB_COLUMNS: readonly Column[] = [
  { title: 'JOB', align: 'right' },
  { title: 'STATE' },
  { title: 'REPOSITORY' },
  { title: 'AGENT' },
  { title: 'PROMPT', flexible: true },
  { title: 'CREATED' },
  { title: 'RAN', align: 'right' },
  { title: 'EXIT', align: 'right' },
];

/** Returns the table of `holdfast jobs`. */
export function renderJobs(jobs: readonly JobView[], view: View): string {
  const rows = jobs.map((job): (Cell | string)[] => [
    String(job.number),
    {
      text: `${SIGNS[job.state]} ${job.state}${job.frozen ? ', frozen' : ''}`,
      style: stateStyle(job.state, view.colours),
    },
    cleanLine(job.repositories.join(', ')),
    cleanLine(job.agent),
    shorten(job.prompt),
    { text: relativeTime(job.createdAt, view.now), style: view.colours.dim },
    elapsedTime({ from: job.startedAt, to: job.finishedAt }, view.now),
    job.exitCode === null ? '–' : String(job.exitCode),
  ]);
  return renderTable({ columns: JOB_COLUMNS, rows, width: view.width, heading: view.colours.bold });
}

/** What a job waits for, in a table: only where the word alone would not tell why, the reason too. */
function shortenWaiting({ what, why }: JobView['waitingFor'][number]): string {
  return what.startsWith('job:') ? `${what.replace(':', ' ')}: ${why}` : what;
}

/** Returns the table of `holdfast queue`: the order in which jobs will start. */
export function renderQueue(jobs: readonly JobView[], view: View): string {
  const columns: Column[] = [
    { title: 'PLACE', align: 'right' },
    { title: 'JOB', align: 'right' },
    { title: 'PRIORITY', align: 'right' },
    { title: 'REPOSITORY' },
    { title: 'PROMPT', flexible: true },
    { title: 'WAITS FOR' },
    { title: 'BEGINS' },
    { title: 'QUEUED' },
  ];
  const rows = jobs.map((job): (Cell | string)[] => [
    job.queuePosition === null ? '–' : String(job.queuePosition),
    String(job.number),
    String(job.priority),
    cleanLine(job.repositories.join(', ')),
    shorten(job.prompt),
    job.waitingFor.length === 0 ? 'its turn' : cleanLine(job.waitingFor.map(shortenWaiting).join(', ')),
    whenStarts(job.estimate),
    { text: relativeTime(job.queuedAt, view.now), style: view.colours.dim },
  ]);
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}

/** Returns the page of `holdfast show`. */
export function renderJob(shown: { job: JobView; attempts: readonly AttemptView[] }, view: View): string {
  const { job, attempts } = shown;
  const { colours } = view;
  const fields = renderFields(
    [
      ['id', job.id],
      ['repository', cleanLine(job.repositories.join(', '))],
      ['agent', `${cleanLine(job.agent)} · pipeline ${job.pipeline} · stage ${job.stage}`],
      ['prompt', shorten(job.prompt)],
      ['reason', job.reason === null ? null : cleanLine(job.reason)],
      ['blocker', job.blocker === null ? null : colours.yellow(cleanLine(job.blocker))],
      ['next', nextLine(job, colours)],
      ['recovery', job.recovery === null ? null : showRecovery(job.recovery)],
      ['under way', job.pendingAttempt],
      ['last artifact', job.lastDurableArtifact === null ? null : cleanLine(job.lastDurableArtifact)],
      ['comes after', job.after.length === 0 ? null : job.after.join(', ')],
      ['place', job.queuePosition === null ? null : `${job.queuePosition} in the queue, priority ${job.priority}`],
      ['phase', job.phase],
      ...job.waitingFor.map(({ what, why }): [string, string] => [
        'waits for',
        cleanLine(`${what.replace(/^job:/, 'job ')}: ${why}`),
      ]),
      ['estimate', describeEstimate(job)],
      ['exit code', job.exitCode === null ? null : String(job.exitCode)],
      ['created', relativeTime(job.createdAt, view.now)],
      ['started', job.startedAt === null ? null : relativeTime(job.startedAt, view.now)],
      ['finished', job.finishedAt === null ? null : finishedLine(job, view)],
      ['deadline', job.deadlineAt === null ? null : relativeTime(job.deadlineAt, view.now)],
      ['session', job.sessionId],
      ['output', job.outputFile === null ? null : `${formatBytes(job.outputBytes)}  ${job.outputFile}`],
      ['workspace', workspaceLine(job, view)],
      ['set aside', job.workspaceSetAside],
      ['kept until', job.keptUntil === null ? null : `${job.keptUntil} (${relativeTime(job.keptUntil, view.now)})`],
      ['sentinel', job.sentinelFile],
    ],
    colours.dim,
  );
  const head = `${colours.bold(`Job ${job.number}`)}  ${showState(job.state, colours)}${job.frozen ? '  frozen' : ''}\n`;
  return head + fields + (attempts.length === 0 ? '' : `\n${renderAttempts(attempts, view)}`);
}

function nextLine(job: JobView, colours: Colours): string | null {
  const command = commandForAction(job.nextSafeAction, job.number);
  if (job.nextSafeAction === 'none') return null;
  return command === null ? job.nextSafeAction : `${job.nextSafeAction}: ${colours.bold(command)}`;
}

function workspaceLine(job: JobView, view: View): string | null {
  const { workspace, workspaceKeptUntil, workspaceRemovedAt } = job;
  if (workspace === null && workspaceRemovedAt !== null) {
    return `removed ${relativeTime(workspaceRemovedAt, view.now)}; its tree is saved: holdfast diff ${job.number}`;
  }
  if (workspace === null || workspaceKeptUntil === null) return workspace;
  return `${workspace}  (workspace kept until ${workspaceKeptUntil}, ${relativeTime(workspaceKeptUntil, view.now)})`;
}

function finishedLine(job: JobView, view: View): string {
  return `${relativeTime(job.finishedAt, view.now)}, after ${elapsedTime({ from: job.startedAt ?? job.createdAt, to: job.finishedAt }, view.now)}`;
}

function renderAttempts(attempts: readonly AttemptView[], view: View): string {
  const isPiped = attempts.some(({ gate, task }) => gate !== null || task !== null);
  const columns: Column[] = [
    { title: 'ATTEMPT', align: 'right' },
    ...(isPiped ? [{ title: 'STAGE' }] : []),
    { title: 'STATE' },
    { title: 'START' },
    { title: 'PID', align: 'right' },
    { title: 'BEGAN' },
    { title: 'RAN', align: 'right' },
    { title: 'EXIT', align: 'right' },
    { title: 'OUTPUT', align: 'right' },
    { title: 'EVIDENCE' },
    { title: 'NOTE', flexible: true },
  ];
  const rows = attempts.map((attempt): (Cell | string)[] => [
    String(attempt.number),
    ...(isPiped ? [describeStage(attempt)] : []),
    { text: attempt.state, style: stateStyle(attempt.state, view.colours) },
    attempt.mode,
    attempt.agent === null ? '–' : String(attempt.agent.pid),
    { text: relativeTime(attempt.startedAt, view.now), style: view.colours.dim },
    elapsedTime({ from: attempt.startedAt, to: attempt.endedAt }, view.now),
    exitText(attempt),
    formatBytes(attempt.outputBytes),
    attempt.evidenceLevel ?? '–',
    [
      attempt.stalled ? 'stalled: its keeper gives no sign of life' : null,
      attempt.verdict,
      attempt.stoppedBy === null ? null : `stopped by ${attempt.stoppedBy}`,
      attempt.note,
    ]
      .filter((part) => part !== null)
      .map(cleanLine)
      .join(', '),
  ]);
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}

/** `verify npm test`, `fix`; of the very task of a stage nothing more is said. */
function describeStage({ stage, gate, task }: AttemptView): string {
  const what = gate ?? (task === 'commit' || task === 'resolve' ? task : null);
  return what === null ? stage : `${stage} ${cleanLine(what)}`;
}

function exitText(attempt: AttemptView): string {
  if (attempt.exitSignal !== null) return attempt.exitSignal;
  return attempt.exitCode === null ? '–' : String(attempt.exitCode);
}

/** What a prompt is about: its first line, of a packet its title. It may be a megabyte: only its beginning is looked at. */
function shorten(prompt: string): string {
  const [first = '', ...rest] = prompt.slice(0, 4000).trim().split('\n');
  const line = cleanLine(first.replace(/^#+ /, '').slice(0, 400));
  if (line.length > 200) return `${line.slice(0, 199)}…`;
  return rest.length > 0 || prompt.length > 4000 ? `${line} …` : line;
}
