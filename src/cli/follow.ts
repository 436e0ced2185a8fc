import {
  formatStreamId,
  parseStreamId,
  type JobView,
  type OutputFrame,
  type StateFrame,
  type StreamName,
  type StreamPosition,
} from '../api/contract.ts';
import { fail } from '../kernel/errors.ts';
import type { Client } from './client.ts';
import { exitOfState } from './job-exit.ts';
import { getOutputSize } from './output.ts';
import { followStream } from './reconnect.ts';

export interface FollowOptions {
  client: Client;
  job: Pick<JobView, 'id' | 'number'>;
  stream: StreamName;
  /** First byte wanted. */
  from: StreamPosition;
  /** Stop once this attempt has ended and the next one begins; null follows all. */
  onlyAttempt: number | null;
  signal: AbortSignal;
  onOutput(piece: { attempt: number; offset: number; bytes: Uint8Array }): Promise<void>;
  onState(frame: StateFrame): void;
  onAway(reason: string): void;
  onBack(): void;
}

/**
 * Hands on every byte of a job's output exactly once and in order, from `from` to the end of the job, across restarts
 * of the server. Returns the job as it is at the end: finished, or waiting for a person.
 */
export async function followJob(options: FollowOptions): Promise<JobView> {
  const { client, job } = options;
  const follower = new Follower(options);
  await followStream({
    client,
    path: `/v1/jobs/${job.id}/stream`,
    query: { stream: options.stream },
    lastEventId: () => formatStreamId(follower.position),
    signal: options.signal,
    onAway: (reason) => options.onAway(reason),
    onBack: () => options.onBack(),
    onMessage: (message) => follower.take(message),
  });
  if (follower.end === null) throw fail('internal', 'the stream ended without an end');
  return follower.end;
}

interface Message {
  event?: string | undefined;
  data: string;
  id?: string | undefined;
}

class Follower {
  readonly position: StreamPosition;
  /** The job as it was when nothing more was to come. Asked for within the stream, so that a restart repeats it too. */
  end: JobView | null = null;
  readonly #options: FollowOptions;
  /** Set while the job needs a person: it ends here once the output of its last attempt was read. */
  #lastByte: { attempt: number; offset: number } | null = null;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.position = { ...options.from };
  }

  /** Takes one frame; true when nothing more is wanted. */
  async take(message: Message): Promise<boolean> {
    const at = parseStreamId(message.id ?? '');
    const { onlyAttempt } = this.#options;
    const isPast = onlyAttempt !== null && at !== null && at.attempt > onlyAttempt;
    // The id of an output frame is the position after it: there the frame itself is looked at.
    if (!isPast && at !== null && message.event !== 'output') this.#refuseGap(at);
    const done = isPast || (await this.#dispatch(message));
    this.position.seq = Math.max(this.position.seq, at?.seq ?? 0);
    if (!done && !this.#isAtLastByte()) return false;
    this.end = await this.#getJob();
    return true;
  }

  async #dispatch(message: Message): Promise<boolean> {
    switch (message.event) {
      case 'output':
        await this.#output(JSON.parse(message.data) as OutputFrame);
        return false;
      case 'state':
        await this.#state(JSON.parse(message.data) as StateFrame);
        return false;
      case 'end':
        return true;
      default:
        return false;
    }
  }

  async #output(frame: OutputFrame): Promise<void> {
    const { position } = this;
    if (frame.attempt < position.attempt) return;
    const next = frame.attempt === position.attempt ? position.offset : 0;
    this.#refuseGap(frame);
    const bytes = Buffer.from(frame.data, 'base64').subarray(next - frame.offset);
    if (bytes.length > 0) await this.#options.onOutput({ attempt: frame.attempt, offset: next, bytes });
    position.attempt = frame.attempt;
    position.offset = next + bytes.length;
  }

  /** Throws when the server is further than we are: reconnecting asks again from here, no byte is ever skipped. */
  #refuseGap(at: { attempt: number; offset: number }): void {
    const { attempt, offset } = this.position;
    const next = at.attempt === attempt ? offset : 0;
    if (at.attempt < attempt || at.offset <= next) return;
    throw fail('server-unreachable', `the stream jumped from byte ${next} to ${at.offset} of attempt ${at.attempt}`);
  }

  async #state(frame: StateFrame): Promise<void> {
    const lastByte = await this.#findLastByte(frame);
    this.#lastByte = lastByte;
    this.#options.onState(frame);
  }

  /** Returns where the output ends if the job waits for a person, else null. */
  async #findLastByte(frame: StateFrame): Promise<{ attempt: number; offset: number } | null> {
    if (frame.state === null) return this.#lastByte;
    if (exitOfState(frame.state) !== 8) return null;
    // The frame may be an old one, read again; only the job as it is now says whether it waits for a person.
    const now = await this.#getJob();
    if (exitOfState(now.state) !== 8) return null;
    const { client, job, stream } = this.#options;
    const attempt = now.attempts;
    return { attempt, offset: attempt === 0 ? 0 : await getOutputSize({ client, job, attempt, stream }) };
  }

  #getJob(): Promise<JobView> {
    return this.#options.client.get<JobView>(`/v1/jobs/${this.#options.job.id}`);
  }

  #isAtLastByte(): boolean {
    if (this.#lastByte === null) return false;
    const { attempt, offset } = this.#lastByte;
    if (offset === 0) return true;
    return this.position.attempt > attempt || (this.position.attempt === attempt && this.position.offset >= offset);
  }
}
