import pc from 'picocolors';
import { cleanText, safeJson, Sanitiser } from './sanitise.ts';
import type { GlobalOptions, Output, Shell } from './shell.ts';
import { truncate } from './table.ts';

/** Colours of one output; functions that return their argument when it is not a terminal. */
export type Colours = ReturnType<typeof pc.createColors>;

/**
 * The two outputs of a command: data on stdout, messages on stderr. Colours and the live line exist only on a terminal.
 * The live line is always the last line of stderr and is taken away before anything else is written.
 */
export class Terminal {
  readonly json: boolean;
  readonly colours: Colours;
  readonly messageColours: Colours;
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #quiet: boolean;
  readonly #verbose: boolean;
  #live: string | null = null;
  /** Whether the last thing written to a terminal ended its line, so that the live line may be drawn. */
  #lineEnded = true;

  constructor(input: { shell: Pick<Shell, 'env' | 'stdout' | 'stderr'>; options: GlobalOptions }) {
    const { shell, options } = input;
    this.#stdout = shell.stdout;
    this.#stderr = shell.stderr;
    this.json = options.json === true;
    this.#quiet = options.quiet === true;
    this.#verbose = options.verbose === true;
    this.colours = pc.createColors(wantsColour({ env: shell.env, options, output: shell.stdout }));
    this.messageColours = pc.createColors(wantsColour({ env: shell.env, options, output: shell.stderr }));
  }

  /** Whether a person reads stdout. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** Whether a person reads stderr, so that a live line may be shown. */
  get isLive(): boolean {
    return this.#stderr.isTTY === true && !this.#quiet && !this.json;
  }

  /** Columns of the terminal, or null when stdout is none. */
  get width(): number | null {
    return this.isTerminal ? columnsOf(this.#stdout) : null;
  }

  /** Writes data to stdout as it is; resolves once it was taken. */
  async data(chunk: string | Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#eraseLive();
    await write(this.#stdout, chunk);
    if (this.isTerminal) {
      this.#lineEnded = typeof chunk === 'string' ? chunk.endsWith('\n') : chunk[chunk.length - 1] === 0x0a;
    }
    this.#drawLive();
  }

  /** Writes a value as one JSON document. */
  async document(value: unknown): Promise<void> {
    await this.data(`${this.isTerminal ? safeJson(value, 2) : JSON.stringify(value)}\n`);
  }

  /** Returns a writer for bytes of any origin: made safe for a terminal unless `raw`, exact on a pipe. */
  outputWriter(raw: boolean): { write(bytes: Uint8Array): Promise<void>; end(): Promise<void> } {
    if (raw || !this.isTerminal) {
      return { write: (bytes) => this.data(bytes), end: () => Promise.resolve() };
    }
    const sanitiser = new Sanitiser();
    return { write: (bytes) => this.data(sanitiser.push(bytes)), end: () => this.data(sanitiser.end()) };
  }

  /** Says something to the person; left out with --quiet. */
  message(text: string): void {
    if (!this.#quiet) this.#say(text);
  }

  /** Says something only with --verbose. */
  detail(text: string): void {
    if (this.#verbose) this.#say(this.messageColours.dim(text));
  }

  /** Says something even with --quiet: errors. */
  alarm(text: string): void {
    this.#say(text);
  }

  /** Shows `text` as the live line, or takes the line away for null. Does nothing without a terminal. */
  live(text: string | null): void {
    if (!this.isLive) return;
    this.#eraseLive();
    this.#live = text;
    this.#drawLive();
  }

  #say(text: string): void {
    this.#eraseLive();
    if (!this.#lineEnded && this.#stderr.isTTY === true) this.#stderr.write('\n');
    this.#lineEnded = true;
    this.#stderr.write(`${text}\n`);
    this.#drawLive();
  }

  #eraseLive(): void {
    if (this.#live !== null && this.#lineEnded) this.#stderr.write('\r\u001b[2K');
  }

  #drawLive(): void {
    if (this.#live === null || !this.#lineEnded) return;
    const line = truncate(cleanText(this.#live), columnsOf(this.#stderr) - 1);
    this.#stderr.write(this.messageColours.dim(line));
  }
}

/** A terminal whose size nobody set says 0. */
function columnsOf(output: Output): number {
  return output.columns === undefined || output.columns === 0 ? 80 : output.columns;
}

/** Whether colours are wanted and can be shown on this output (NO_COLOR, FORCE_COLOR, --no-color, a terminal). */
export function wantsColour(asked: { env: NodeJS.ProcessEnv; options: GlobalOptions; output: Output }): boolean {
  const { env, options, output } = asked;
  if (options.color === false || options.json === true) return false;
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  if (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '' && env['FORCE_COLOR'] !== '0') return true;
  return output.isTTY === true && env['TERM'] !== 'dumb';
}

function write(stream: Output, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}
