/**
 * Everything a job prints and every step it takes, as frames, from any position. What was durable at a look is sent
 * before the next look: first the output up to its size then, next the state changes. So a state never overtakes the
 * output it ends, and a busy agent cannot hold the states back.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import { isTerminal } from '../lifecycle/transitions.ts';
import type { JournalEvent } from '../store/store.ts';
import type { StreamName } from './contract/attempt.ts';
import { showTime } from './contract/common.ts';
import { formatStreamId, type StreamPosition } from './contract/stream-position.ts';
import type { BootFrame, EndFrame, OutputFrame, StateFrame } from './contract/stream.ts';
import { formatBye, formatFrame } from './frame.ts';
import { openOutput } from './open-output.ts';
import type { OpenStream } from './open-stream.ts';
import type { Services } from './services.ts';
import type { StreamTools } from './sse.ts';

/** Bytes of output in one frame. */
const CHUNK_BYTES = 48 * 1024;
/** Events read at once. */
const EVENTS = 100;

type Frame =
  | { event: 'boot'; data: BootFrame }
  | { event: 'output'; data: OutputFrame }
  | { event: 'state'; data: StateFrame }
  | { event: 'end'; data: EndFrame };

/** What one look at the world found. */
interface Look {
  events: JournalEvent[];
  job: Job;
  attempt: Attempt | null;
}

export class JobStream {
  readonly #services: Services;
  readonly #jobId: string;
  readonly #stream: StreamName;
  readonly #position: StreamPosition;
  readonly #tools: StreamTools;
  readonly #open: OpenStream;
  #handle: FileHandle | null = null;
  #unwatch: (() => void) | null = null;
  #isDirty = true;

  constructor(options: {
    services: Services;
    jobId: string;
    stream: StreamName;
    position: StreamPosition;
    tools: StreamTools;
  }) {
    this.#services = options.services;
    this.#jobId = options.jobId;
    this.#stream = options.stream;
    this.#position = { ...options.position };
    this.#tools = options.tools;
    this.#open = options.tools.stream;
  }

  /** Yields the frames from the position on, until the job has ended and all of it was sent. */
  async *frames(): AsyncGenerator<string, void> {
    const stopListening = this.#tools.feed.followJob(this.#jobId, () => {
      this.#isDirty = true;
      this.#wake();
    });
    try {
      yield this.#format({ event: 'boot', data: { bootId: this.#services.bootId } });
      for (let look: Look | null = null; !this.#open.isOver;) {
        if (this.#isDirty) look = await this.#look();
        if (look === null) return;
        yield* this.#sendOutput(look.attempt);
        yield* this.#sendEvents(look.events.splice(0));
        if (await this.#nextAttempt(look)) continue;
        if (await this.#isOver(look)) {
          yield this.#format({ event: 'end', data: describeEnd(look.job) });
          return;
        }
        if (this.#isDirty) continue;
        const ping = await this.#open.rest();
        if (ping !== null) yield ping;
      }
      const { farewell } = this.#open;
      if (farewell !== null) yield formatBye(formatStreamId(this.#position), farewell);
    } finally {
      stopListening();
      await this.#leaveAttempt();
    }
  }

  #wake(): void {
    this.#tools.pacer.add(this.#open);
  }

  /** Null when the job is gone. The attempt is read before its output is: ended here means its file grows no more. */
  async #look(): Promise<Look | null> {
    this.#isDirty = false;
    const { store } = this.#services;
    const { seq, attempt: number } = this.#position;
    const events = await store.listEvents({ after: seq, jobId: this.#jobId, limit: EVENTS });
    if (events.length === EVENTS) this.#isDirty = true;
    const job = await store.getJob(this.#jobId);
    if (job === null) return null;
    const attempt = number <= job.attempts ? await store.getAttempt(this.#jobId, number) : null;
    if (attempt !== null && attempt.endedAt === null) {
      this.#unwatch ??= this.#services.watchOutput(attempt, this.#stream, () => this.#wake());
    }
    return { events, job, attempt };
  }

  async *#sendOutput(attempt: Attempt | null): AsyncGenerator<string, void> {
    if (attempt === null) return;
    this.#handle ??= await openOutput(this.#services.outputPath(attempt, this.#stream), this.#services.home.jobs);
    if (this.#handle === null) return;
    const { size } = await this.#handle.stat();
    while (this.#position.offset < size && !this.#open.isOver) {
      const { offset } = this.#position;
      const wanted = Math.min(CHUNK_BYTES, size - offset);
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(wanted), 0, wanted, offset);
      if (bytesRead === 0) return;
      this.#position.offset += bytesRead;
      const data = buffer.toString('base64', 0, bytesRead);
      yield this.#format({
        event: 'output',
        data: { attempt: attempt.number, stream: this.#stream, offset, data },
      });
    }
  }

  *#sendEvents(events: JournalEvent[]): Generator<string, void> {
    for (const event of events) {
      this.#position.seq = event.seq;
      yield this.#format({ event: 'state', data: describeStep(event) });
    }
  }

  /** Goes on to the next attempt when this one has ended and was sent whole and the next exists. */
  async #nextAttempt({ attempt, job }: Look): Promise<boolean> {
    if (attempt === null || attempt.endedAt === null || job.attempts <= attempt.number) return false;
    await this.#leaveAttempt();
    this.#position.attempt = attempt.number + 1;
    this.#position.offset = 0;
    this.#isDirty = true;
    return true;
  }

  /** Whether the job has ended and nothing was recorded since that was looked at. */
  async #isOver({ attempt, job }: Look): Promise<boolean> {
    if (!isTerminal(job.state) || (attempt !== null && attempt.endedAt === null)) return false;
    const { seq } = this.#position;
    const later = await this.#services.store.listEvents({ after: seq, jobId: this.#jobId, limit: 1 });
    if (later.length > 0) this.#isDirty = true;
    return later.length === 0;
  }

  async #leaveAttempt(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = null;
    await this.#handle?.close();
    this.#handle = null;
  }

  #format(frame: Frame): string {
    this.#open.beat();
    return formatFrame({ id: formatStreamId(this.#position), ...frame });
  }
}

function describeEnd({ state, outcome, reason, exitCode }: Job): EndFrame {
  return { state, outcome, reason, exitCode };
}

/** The journal holds the new value of every changed field under the field's own name. */
function describeStep(event: JournalEvent): StateFrame {
  const { seq, at, kind, attemptId } = event;
  const data = (attemptId === null ? event.data : {}) as Partial<Omit<StateFrame, 'seq' | 'at' | 'kind' | 'attemptId'>>;
  return {
    seq,
    at: showTime(at),
    kind,
    attemptId,
    state: data.state ?? null,
    outcome: data.outcome ?? null,
    reason: data.reason ?? null,
    blocker: data.blocker ?? null,
    exitCode: data.exitCode ?? null,
  };
}
