/**
 * The main thread's side of the worker: numbers the requests, posts those of one turn of the event loop as one batch,
 * and hands out the answers. When the worker fails with an unknown outcome nobody is answered any more.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { fail } from '../../kernel/errors.ts';
import type { JournalEvent } from '../store.ts';
import { fromWire, type FromWorker, type Operation, type Request, type ToWorker, type WorkerOptions } from './wire.ts';

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

export interface ClientOptions {
  worker: WorkerOptions;
  now: () => number;
  onFatal: (error: Error) => void;
  onEvents: (events: JournalEvent[]) => void;
}

/** URL of a sibling module that is a thread's entry: `.ts` in a checkout, `.js` when compiled. */
export function threadUrl(name: string): URL {
  return new URL(`./${name}${extname(import.meta.url)}`, import.meta.url);
}

export class WorkerClient {
  readonly #options: ClientOptions;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #batch: Request[] = [];
  #watch: boolean | undefined;
  #flush: NodeJS.Immediate | null = null;
  #nextId = 1;
  #state: 'opening' | 'open' | 'closing' | 'closed' | 'failed' = 'opening';
  readonly #opened = Promise.withResolvers<string | null>();
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#worker = new Worker(threadUrl('worker'), { workerData: options.worker });
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('error', (error) => this.#die(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', (code) => this.#onExit(code));
  }

  /** Resolves, once the database is open, with what the witness found; rejects when it is refused. */
  get opened(): Promise<string | null> {
    return this.#opened.promise;
  }

  /** Asks the worker; rejects with the worker's error. Never settles when the outcome is unknown. */
  call(operation: Operation, args: unknown[]): Promise<unknown> {
    if (this.#state !== 'open') return Promise.reject(fail('storage-failed', `the store is ${this.#state}`));
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#batch.push([id, operation, this.#options.now(), args]);
    this.#flush ??= setImmediate(() => this.#post({}));
    return promise;
  }

  /** Switches the delivery of events on or off, before every later call. */
  watch(on: boolean): void {
    this.#watch = on;
    this.#flush ??= setImmediate(() => this.#post({}));
  }

  /** Carries out what was asked, closes the database and ends the thread. */
  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#post({ close: true });
      this.#state = 'closing';
    }
    if (this.#state === 'closing') await this.#closed.promise;
  }

  #post(extra: { close?: true }): void {
    if (this.#flush !== null) clearImmediate(this.#flush);
    this.#flush = null;
    const message: ToWorker = { requests: this.#batch, ...extra };
    if (this.#watch !== undefined) message.watch = this.#watch;
    this.#batch = [];
    this.#watch = undefined;
    try {
      this.#worker.postMessage(message);
    } catch (error) {
      this.#postOneByOne(message, error);
    }
  }

  /** Something in a batch cannot cross threads: refuses that request, and only that one. */
  #postOneByOne({ requests, close, ...rest }: ToWorker, cause: unknown): void {
    this.#worker.postMessage({ ...rest, requests: [] } satisfies ToWorker);
    for (const request of requests) {
      try {
        this.#worker.postMessage({ requests: [request] } satisfies ToWorker);
      } catch {
        const [id, operation] = request;
        this.#waiting.get(id)?.reject(fail('internal', `${operation} was given what is no data`, { cause }));
        this.#waiting.delete(id);
      }
    }
    if (close === true) this.#worker.postMessage({ requests: [], close } satisfies ToWorker);
  }

  #receive(message: FromWorker): void {
    if (this.#state === 'failed') return;
    if (message.kind === 'answers') {
      if (message.events.length > 0) this.#options.onEvents(message.events);
      for (const [id, ok, result] of message.answers) {
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (ok) waiting?.resolve(result);
        else waiting?.reject(fromWire(result));
      }
    } else if (message.kind === 'ready') {
      this.#state = 'open';
      this.#opened.resolve(message.complaint);
    } else if (message.kind === 'refused') {
      this.#state = 'closed';
      this.#opened.reject(fromWire(message.error));
    } else if (message.kind === 'fatal') {
      this.#die(new Error(message.message));
    } else {
      this.#state = 'closed';
    }
  }

  #onExit(code: number): void {
    if (this.#state === 'closing' || this.#state === 'open') this.#die(new Error(`its thread ended with code ${code}`));
    if (this.#state === 'closed') this.#closed.resolve();
  }

  /** From here on nothing is answered: whether the last group was carried out is unknown. */
  #die(error: Error): void {
    if (this.#state === 'failed') return;
    const wasOpening = this.#state === 'opening';
    this.#state = 'failed';
    this.#waiting.clear();
    this.#closed.resolve();
    if (wasOpening) this.#opened.reject(error);
    else this.#options.onFatal(error);
  }
}
