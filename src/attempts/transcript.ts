/**
 * The transcript of a job: its prompt, and what each of its attempts said, did and came to, as Markdown. It is made of
 * rows and output files alone, so the same rows and files give the same bytes, now or after any crash; it says nothing
 * of the job's own state, which may change without an attempt.
 */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { indent, inlineCode, neutraliseLine } from '../agents/neutralise.ts';
import { createTranscriptRenderer, type TranscriptRenderer, type TranscriptSource } from '../agents/transcript.ts';
import { openPlainFile } from '../keeper/plain-file.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import { toIso } from '../kernel/clock.ts';
import { formatSize } from '../kernel/size.ts';
import { agentOf } from '../lifecycle/agent-of.ts';
import type { AttemptCore } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import type { AttemptState } from '../lifecycle/transitions.ts';
import type { AttemptContext } from './context.ts';
import { findAdapter } from './find-adapter.ts';
import { readTail } from './read-summary.ts';

/** Attempts that are shown, the newest. */
const MAX_ATTEMPTS = 20;
/** Bytes of output that are read from its beginning: of an agent's events, and of plain output. */
const EVENT_BYTES = 16 * 2 ** 20;
const PLAIN_BYTES = 2 ** 20;
/** Bytes that are read from the end of a longer one. */
const TAIL_BYTES = 256 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** An attempt as it is, or as it is about to be recorded. */
export type Told = AttemptCore & { state: AttemptState };

/** Yields the transcript of a job up to now, piece by piece. */
export async function* renderTranscript(
  ctx: AttemptContext,
  input: { job: Job; attempts: readonly Told[] },
): AsyncGenerator<string, void> {
  const { job, attempts } = input;
  yield await renderHead(ctx, job);
  const shown = attempts.slice(-MAX_ATTEMPTS);
  if (shown.length < attempts.length) yield `\n(${attempts.length - shown.length} earlier attempts are left out)\n`;
  for (const attempt of shown) {
    yield renderHeading(attempt);
    yield* renderAttempt(ctx, job, attempt);
  }
}

async function renderHead(ctx: AttemptContext, job: Job): Promise<string> {
  const prompt = (await ctx.store.getPrompt(job.promptSha256)) ?? '';
  const facts = `Repository ${inlineCode(job.repository)} · agent ${inlineCode(job.agent)} · ${inlineCode(job.id)}`;
  const command = job.command === null ? '' : `\n## Command\n\n${indent(JSON.stringify(job.command))}`;
  return `# Job ${job.number}\n\n${facts}\n\n## Prompt\n\n${indent(prompt.trimEnd())}${command}`;
}

/** Returns the heading of an attempt. */
export function renderHeading(attempt: Told): string {
  const facts = [
    attempt.mode === 'warm' ? 'continued in its session (warm)' : 'started afresh (cold)',
    attempt.sessionId === null ? null : `session ${inlineCode(attempt.sessionId)}`,
    attempt.agent === null ? null : `pid ${attempt.agent.pid}`,
    toIso(attempt.intendedAt),
  ];
  return `\n## Attempt ${attempt.number}\n\n${facts.filter((fact) => fact !== null).join(' · ')}\n`;
}

async function* renderAttempt(ctx: AttemptContext, job: Job, attempt: Told): AsyncGenerator<string, void> {
  const runDir = ctx.home.runDirectory(job.id, attempt.number);
  const isOver = attempt.endedAt !== null || (attempt.state !== 'running' && attempt.state !== 'intended');
  if (attempt.state === 'quarantined') {
    yield `\n**Set aside**: ${neutraliseLine(attempt.note ?? '', 1000)}\n`;
    return;
  }
  const source = transcriptSource(ctx, agentOf(job, attempt));
  yield* renderOutput(source, join(runDir, RUN_FILES.output), isOver ? attempt.outputBytes : null);
  if (!isOver) return;
  const stderr = (await readTail(join(runDir, RUN_FILES.stderr))).trimEnd();
  if (stderr !== '') yield `\nEnd of its error output:\n\n${indent(stderr)}`;
  yield `\n${describeEnd(attempt)}\n`;
}

/** Returns how output of this agent is read; one that is not configured any more is shown as it is. */
export function transcriptSource(ctx: AttemptContext, agent: string): TranscriptSource {
  return findAdapter(ctx, agent) ?? { parseEvent: () => [], capabilities: { plainOutput: true } };
}

/** Bytes of an output that are shown from its beginning on. */
export function headBytes(source: TranscriptSource): number {
  return source.capabilities.plainOutput ? PLAIN_BYTES : EVENT_BYTES;
}

/** `bytes` null: as many as there are now. Of a longer output than is shown the middle is left out, and said so. */
async function* renderOutput(
  source: TranscriptSource,
  path: string,
  bytes: number | null,
): AsyncGenerator<string, void> {
  await using handle: FileHandle | null = await openPlainFile(path);
  if (handle === null) return;
  const { size } = await handle.stat();
  const end = bytes === null ? size : Math.min(bytes, size);
  const head = headBytes(source);
  const isWhole = end <= head + TAIL_BYTES;
  const first = createTranscriptRenderer(source);
  yield* readInto(first, { handle, from: 0, to: isWhole ? end : head });
  yield first.end();
  if (isWhole) return;
  const from = await findLine(handle, end - TAIL_BYTES, end);
  yield `\n(${formatSize(from - head)} of its output are left out here; the output itself is kept whole)\n`;
  const last = createTranscriptRenderer(source);
  yield* readInto(last, { handle, from, to: end });
  yield last.end();
}

/** Yields what a part of the file adds. */
export async function* readInto(
  renderer: TranscriptRenderer,
  part: { handle: FileHandle; from: number; to: number },
): AsyncGenerator<string, number> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let at = part.from;
  while (at < part.to) {
    const { bytesRead } = await part.handle.read(buffer, 0, Math.min(CHUNK_BYTES, part.to - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const text = renderer.push(buffer.subarray(0, bytesRead));
    if (text !== '') yield text;
  }
  return at;
}

/** Returns where the first whole line at or after `from` begins; `from` when there is none. */
async function findLine(handle: FileHandle, from: number, to: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(to - from);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
  const newline = buffer.subarray(0, bytesRead).indexOf(0x0a);
  return newline < 0 ? from : from + newline + 1;
}

function describeEnd(attempt: Told): string {
  const { state, exitCode, exitSignal, stoppedBy, note } = attempt;
  if (state === 'never_ran') return '**Never ran**: nothing of it was started.';
  const how =
    exitSignal !== null
      ? `by signal ${neutraliseLine(exitSignal, 40)}`
      : exitCode === null
        ? 'without an exit code'
        : `with exit code ${exitCode}`;
  const stopped = stoppedBy === null ? '' : `, stopped by ${neutraliseLine(stoppedBy, 40)}`;
  const why = note === null ? '' : ` (${neutraliseLine(note, 1000)})`;
  return `**${state === 'interrupted' ? 'Interrupted' : 'Ended'}** ${how}${stopped}${why}.`;
}
