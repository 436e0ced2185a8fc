import { watch, type FSWatcher } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { createTranscriptRenderer, type TranscriptRenderer } from '../agents/transcript.ts';
import { openPlainFile } from '../keeper/plain-file.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import { openView, type View } from '../kernel/durable.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { agentOf } from '../lifecycle/agent-of.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import type { AttemptContext } from './context.ts';
import { headBytes, readInto, renderHeading, renderTranscript, transcriptSource } from './transcript.ts';

/** Pause between two looks at an output that grows, milliseconds; also how long an attempt runs before it has a view. */
const LIVE_MS = 1000;
/** Where nothing tells that the output grew (the watches of this user are used up), milliseconds. */
const FALLBACK_MS = 5000;

/**
 * `transcript.md` while an attempt runs: begun from the start by every server that follows it, then only added to, by
 * offset. A view for people, of which nothing has to survive: the end writes the whole anew.
 */
export class LiveTranscript {
  readonly #ctx: AttemptContext;
  readonly #job: Job;
  readonly #attempt: Attempt;
  readonly #renderer: TranscriptRenderer;
  readonly #limit: number;
  #timer: NodeJS.Timeout | null;
  #watcher: FSWatcher | null = null;
  #view: View | null = null;
  #output: FileHandle | null = null;
  #offset = 0;
  #isClosed = false;
  #working: Promise<void> = Promise.resolve();

  constructor(ctx: AttemptContext, job: Job, attempt: Attempt) {
    this.#ctx = ctx;
    this.#job = job;
    this.#attempt = attempt;
    const source = transcriptSource(ctx, agentOf(job, attempt));
    this.#renderer = createTranscriptRenderer(source);
    this.#limit = headBytes(source);
    this.#timer = setTimeout(() => this.#wake(), LIVE_MS);
  }

  /** Stops adding and lets the files go. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#working;
    this.#watcher?.close();
    await this.#view?.close();
    await this.#output?.close();
  }

  #wake(): void {
    this.#timer = null;
    this.#working = this.#grow().catch((error: unknown) => {
      // Nothing hangs on it: a full disk, or an agent that put something else in its place.
      this.#ctx.log.debug(`live transcript of job ${this.#job.number}: ${messageOf(error)}`, { job: this.#job.id });
      this.#isClosed = true;
    });
  }

  async #grow(): Promise<void> {
    this.#view ??= await this.#begin();
    const runDir = this.#ctx.home.runDirectory(this.#job.id, this.#attempt.number);
    this.#watch(runDir);
    this.#output ??= await openPlainFile(join(runDir, RUN_FILES.output));
    if (this.#output === null) return;
    const { size } = await this.#output.stat();
    const part = { handle: this.#output, from: this.#offset, to: Math.min(size, this.#limit) };
    for await (const text of readInto(this.#renderer, part)) await this.#view.append(text);
    this.#offset = Math.max(part.from, part.to);
    // What lies beyond is in the transcript once it is whole.
    if (this.#offset >= this.#limit) this.#isClosed = true;
  }

  async #begin(): Promise<View> {
    const ctx = this.#ctx;
    const attempts = await ctx.store.listAttempts(this.#job.id);
    const earlier = attempts.filter((one) => one.number < this.#attempt.number);
    const heading = renderHeading(attempts.find((one) => one.id === this.#attempt.id) ?? this.#attempt);
    const job = this.#job;
    async function* pieces(): AsyncGenerator<string> {
      yield* renderTranscript(ctx, { job, attempts: earlier });
      yield heading;
    }
    return openView(ctx.home.transcript(job.id), pieces());
  }

  #watch(runDir: string): void {
    try {
      this.#watcher ??= watch(runDir, () => this.#plan(LIVE_MS)).on('error', () => this.#plan(FALLBACK_MS));
    } catch (error) {
      if (!['EMFILE', 'ENOSPC', 'ENOENT'].includes(errnoOf(error) ?? '')) throw error;
      this.#plan(FALLBACK_MS);
    }
  }

  #plan(ms: number): void {
    if (!this.#isClosed) this.#timer ??= setTimeout(() => this.#wake(), ms);
  }
}
