import type { JobView } from '../api/contract.ts';
import { systemClock } from '../kernel/clock.ts';
import { formatDuration } from '../kernel/duration.ts';
import type { JobState } from '../lifecycle/transitions.ts';
import { exitOfState } from './job-exit.ts';
import { showState } from './job-view.ts';
import type { Terminal } from './terminal.ts';
import { formatBytes } from './times.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/** Often enough to look alive, seldom enough to cost nothing. */
const REDRAW_MS = 120;

/** What is known of the job that is watched. */
export interface Progress {
  state?: JobState;
  attempt?: number;
  bytes?: number;
}

/** Shows how a watched job gets on: one live line on a terminal, else a plain line for each change of state. */
export class JobProgress {
  readonly #terminal: Terminal;
  readonly #number: number;
  /** Milliseconds since 1970: what the elapsed time is counted from. */
  readonly #since: number;
  #known: Progress = {};
  #awaySince: number | null = null;
  #frame = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(terminal: Terminal, job: Pick<JobView, 'number' | 'createdAt' | 'startedAt'>) {
    this.#terminal = terminal;
    this.#number = job.number;
    this.#since = Date.parse(job.startedAt ?? job.createdAt);
    if (terminal.isLive) {
      this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
      this.#timer.unref();
    }
  }

  /** Takes up what is new; absent fields stay as they were. */
  update(news: Progress): void {
    const before = this.#known;
    this.#known = { ...before, ...news };
    if (this.#terminal.isLive) {
      this.#draw();
      return;
    }
    const { state } = this.#known;
    // How it ends is said by whoever watches, with what came of it.
    if (state !== undefined && state !== before.state && exitOfState(state) === null) {
      const attempt = this.#known.attempt ?? 0;
      const which = state === 'running' && attempt > 0 ? ` (attempt ${attempt})` : '';
      this.#terminal.message(`job ${this.#number} ${showState(state, this.#terminal.messageColours)}${which}`);
    }
  }

  /** Says that the server went away. */
  away(reason: string): void {
    this.#awaySince = performance.now();
    this.#terminal.message(`server gone, waiting… (${reason}; the job goes on without it)`);
  }

  /** Says that the server answers again. */
  back(): void {
    const span = formatDuration(performance.now() - (this.#awaySince ?? performance.now()));
    this.#awaySince = null;
    this.#terminal.message(`server back after ${span}, going on where we were`);
  }

  /** Takes the live line away. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#terminal.live(null);
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const parts = [`${FRAMES[this.#frame] ?? ''} job ${this.#number} ${this.#known.state ?? '…'}`];
    if ((this.#known.attempt ?? 0) > 0) parts.push(`attempt ${this.#known.attempt ?? 0}`);
    parts.push(formatDuration(Math.max(1000, systemClock.now() - this.#since)));
    if (this.#known.bytes !== undefined) parts.push(formatBytes(this.#known.bytes));
    if (this.#awaySince !== null) parts.push('server gone, waiting…');
    this.#terminal.live(parts.join(' · '));
  }
}
