import type { EventView, JobView, StreamName } from '../api/contract.ts';
import { fail, isError } from '../kernel/errors.ts';
import { formatDuration } from '../kernel/duration.ts';
import { followJob } from './follow.ts';
import { exitOfState, worstExit } from './job-exit.ts';
import { commandForAction, showState } from './job-view.ts';
import { JobProgress } from './progress.ts';
import { followStream } from './reconnect.ts';
import { cleanLine } from './sanitise.ts';
import type { Context } from './shell.ts';

/** What of a job is printed while it is followed. */
export interface Wanted {
  job: JobView;
  stream: StreamName;
  from: { attempt: number; offset: number };
  /** Stops when this attempt has ended. */
  onlyAttempt?: number;
  /** Unchanged even on a terminal. */
  raw: boolean;
}

/**
 * Prints a job's output from `from` until the job has ended or needs a person, and returns the exit code that says so.
 * Ctrl-C lets go of it, says how to come back, and stops nothing.
 */
export async function followToEnd(context: Context, options: Wanted): Promise<number> {
  const { job } = options;
  const { terminal, client } = context;
  const progress = new JobProgress(terminal, job);
  const output = terminal.outputWriter(options.raw);
  let attempt = options.from.attempt;
  // The stream tells the job's whole history; steps up to what we know of it already are not news.
  const times = [job.createdAt, job.queuedAt, job.startedAt, job.finishedAt];
  const known = Math.max(...times.map((time) => (time === null ? 0 : Date.parse(time))));
  progress.update({ state: job.state });
  try {
    const end = await followJob({
      client,
      job,
      stream: options.stream,
      from: { ...options.from, seq: 0 },
      onlyAttempt: options.onlyAttempt ?? null,
      signal: context.shell.interrupted,
      onAway: (reason) => progress.away(reason),
      onBack: () => progress.back(),
      onState: (frame) => {
        if (frame.state !== null && Date.parse(frame.at) > known) progress.update({ state: frame.state });
        if (terminal.json) void terminal.document({ type: 'state', ...frame });
      },
      onOutput: async (piece) => {
        if (piece.attempt !== attempt) terminal.message(`attempt ${piece.attempt} begins`);
        attempt = piece.attempt;
        progress.update({ attempt, bytes: piece.offset + piece.bytes.length });
        if (!terminal.json) return output.write(piece.bytes);
        const data = Buffer.from(piece.bytes).toString('base64');
        return terminal.document({ type: 'output', stream: options.stream, attempt, offset: piece.offset, data });
      },
    });
    progress.stop();
    await output.end();
    if (terminal.json) await terminal.document({ type: 'end', job: end });
    sayEnd(context, end);
    return exitOfState(end.state, end.reason) ?? 0;
  } catch (error) {
    progress.stop();
    await output.end();
    if (!isError(error, 'interrupted')) throw error;
    throw fail('interrupted', `detached from job ${job.number}; it goes on`, {
      hint: `Come back with \`holdfast logs -f ${job.number}\`; stop it with \`holdfast cancel ${job.number}\`.`,
    });
  } finally {
    progress.stop();
  }
}

/**
 * Waits until every job has ended or needs a person and returns the exit code for all of them. Throws `wait-timeout`
 * after `timeoutMs`.
 */
export async function waitToEnd(
  context: Context,
  wanted: { jobs: readonly JobView[]; timeoutMs: number | null },
): Promise<number> {
  const { jobs, timeoutMs } = wanted;
  const [first] = jobs;
  const latest = new Map(jobs.map((job) => [job.id, job]));
  const open = (): string =>
    [...latest.values()]
      .filter(isPending)
      .map((job) => job.number)
      .join(' ');
  const timeout = timeoutMs === null ? null : AbortSignal.timeout(timeoutMs);
  const signals = [context.shell.interrupted, ...(timeout === null ? [] : [timeout])];
  const progress = jobs.length === 1 && first !== undefined ? new JobProgress(context.terminal, first) : null;
  try {
    const ended = await watchJobs(context, { latest, signal: AbortSignal.any(signals), progress });
    progress?.stop();
    if (context.terminal.json) await context.terminal.document(ended.length === 1 ? ended[0] : { items: ended });
    return worstExit(ended.map((job) => exitOfState(job.state, job.reason)));
  } catch (error) {
    if (timeout?.aborted === true && !context.shell.interrupted.aborted) {
      throw fail('wait-timeout', `after ${formatDuration(timeoutMs ?? 0)} not ended: job ${open()}`);
    }
    if (!isError(error, 'interrupted')) throw error;
    throw fail('interrupted', `no longer waiting for job ${open()}; nothing was stopped`, {
      hint: `Come back with \`holdfast wait ${open()}\`.`,
    });
  } finally {
    progress?.stop();
  }
}

/** Follows the journal and looks at each job again when something happened to it; returns them as they ended. */
async function watchJobs(
  context: Context,
  input: { latest: Map<string, JobView>; signal: AbortSignal; progress: JobProgress | null },
): Promise<JobView[]> {
  const { client } = context;
  const { latest, signal, progress } = input;
  const listPending = (): string[] => [...latest.values()].filter(isPending).map((job) => job.id);
  const look = async (id: string): Promise<void> => {
    const job = await client.call<JobView>({ path: `/v1/jobs/${id}`, signal });
    latest.set(id, job);
    progress?.update({ state: job.state, attempt: job.attempts, bytes: job.outputBytes });
    if (!isPending(job)) sayEnd(context, job);
  };
  for (const job of latest.values()) if (!isPending(job)) sayEnd(context, job);
  if (listPending().length === 0) return [...latest.values()];
  let lastSeq: string | null = null;
  await followStream({
    client,
    path: '/v1/events',
    lastEventId: () => lastSeq,
    signal,
    onAway: (reason) => progress?.away(reason),
    onBack: () => progress?.back(),
    onMessage: async (message) => {
      lastSeq = message.id ?? lastSeq;
      // The first frame: from here on nothing is missed, and what happened before is seen by looking once.
      if (message.event === 'boot') for (const id of listPending()) await look(id);
      else {
        const { jobId } = JSON.parse(message.data) as EventView;
        if (jobId !== null && listPending().includes(jobId)) await look(jobId);
      }
      return listPending().length === 0;
    },
  });
  return [...latest.values()];
}

function isPending(job: JobView): boolean {
  return exitOfState(job.state) === null;
}

/** Says in one line how a job ended, and what to do when it did not end well. */
function sayEnd(context: Context, job: JobView): void {
  const { terminal } = context;
  const colours = terminal.messageColours;
  const facts: string[] = [];
  if (job.exitCode !== null) facts.push(`exit code ${job.exitCode}`);
  if (job.startedAt !== null && job.finishedAt !== null) {
    facts.push(formatDuration(Math.max(0, Date.parse(job.finishedAt) - Date.parse(job.startedAt))));
  }
  if (job.attempts > 1) facts.push(`${job.attempts} attempts`);
  if (job.blocker !== null) facts.push(cleanLine(job.blocker));
  else if (job.reason !== null && job.state !== 'completed') facts.push(cleanLine(job.reason));
  terminal.message(
    `job ${job.number} ${showState(job.state, colours)}${facts.length === 0 ? '' : ` · ${facts.join(' · ')}`}`,
  );
  const command = commandForAction(job.nextSafeAction, job.number);
  if (command !== null && exitOfState(job.state) !== null) terminal.message(`${colours.cyan('→')} ${command}`);
}
