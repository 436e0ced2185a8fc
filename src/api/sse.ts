/**
 * Server-sent events, written by hand: the reader pulls, so a client that does not read makes the generator wait and
 * nothing is kept for it; a client that goes, or a server that stops, ends the generator at its next wait. One timer and
 * one listener of the store serve all streams.
 */
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { fail } from '../kernel/errors.ts';
import { messageOf } from '../kernel/result.ts';
import type { Caller, RouteContext } from './api.ts';
import { EventFeed } from './event-feed.ts';
import { OpenStream } from './open-stream.ts';
import { Pacer } from './pacer.ts';
import { MAX_STREAMS_PER_JOB, type StreamLimits } from './stream-limits.ts';
import type { StreamKind, StreamLimit } from './stream-stats.ts';

/** How often the streams are looked over for pings. */
const PULSE_MS = 1000;
/** Bytes made ahead of a client's reading. */
const HIGH_WATER_BYTES = 64 * 1024;
/** When a refused client may ask again, seconds. */
const RETRY_AFTER = 5;
/** What the frames of one stream are made with. */
export interface StreamTools {
  stream: OpenStream;
  feed: EventFeed;
  pacer: Pacer;
}

export interface StreamRequest {
  kind: StreamKind;
  caller: Caller;
  /** Yields the frames until they end or the stream is over. */
  make(tools: StreamTools): AsyncIterable<string | Buffer>;
}

/** Opens, limits, counts and looks after the event streams of one server. */
export class Streams {
  readonly #context: RouteContext;
  readonly #limits: StreamLimits;
  readonly #pacer = new Pacer();
  readonly #feed: EventFeed;
  readonly #open = new Set<OpenStream>();
  readonly #byPrincipal = new Map<string, number>();
  #ordinal = 0;
  #pulse: NodeJS.Timeout | null = null;

  constructor(context: RouteContext, limits: StreamLimits) {
    this.#context = context;
    this.#limits = limits;
    this.#feed = new EventFeed({ store: context.services.store, pacer: this.#pacer });
    context.stopping.addEventListener('abort', () => {
      for (const stream of this.#open) stream.end('stopping');
    });
  }

  /** Answers with the frames until they end, the client goes or falls silent, or the server stops. */
  send(reply: FastifyReply, request: StreamRequest): FastifyReply {
    const { principal } = request.caller;
    this.#refuseOneTooMany(reply, request.caller);
    const { clock } = this.#context.services;
    const stream = new OpenStream({ clock, limits: this.#limits, ordinal: this.#ordinal++ });
    this.#add(stream, request.kind, principal);
    reply.raw.once('close', () => this.#remove(stream, request.kind, principal));
    if (this.#context.stopping.aborted) stream.end('stopping');
    reply.raw.setTimeout(this.#limits.silentMs, () => this.#judgeSilence(reply.raw, principal));
    const frames = request.make({ stream, feed: this.#feed, pacer: this.#pacer });
    const body = Readable.from(frames, { objectMode: false, highWaterMark: HIGH_WATER_BYTES });
    body.once('error', (error) => this.#context.log.error('event stream failed', { error: messageOf(error) }));
    reply.header('x-accel-buffering', 'no');
    // A stream that has ended leaves no connection behind for a client that may never read its end.
    reply.header('connection', 'close');
    return reply.type('text/event-stream; charset=utf-8').send(body);
  }

  #refuseOneTooMany(reply: FastifyReply, { principal, jobId }: Caller): void {
    const { total, perPrincipal } = this.#limits;
    const most = jobId === null ? perPrincipal : Math.min(perPrincipal, MAX_STREAMS_PER_JOB);
    const refuse = (limit: StreamLimit): void => {
      this.#context.services.streamStats.refused[limit]++;
      reply.header('retry-after', RETRY_AFTER);
    };
    if ((this.#byPrincipal.get(principal) ?? 0) >= most) {
      refuse('principal');
      throw fail('too-many-streams', `${principal} has ${most} event streams open already`);
    }
    if (this.#open.size >= total) {
      refuse('total');
      throw fail('streams-full', `${total} event streams are open already`);
    }
  }

  #add(stream: OpenStream, kind: StreamKind, principal: string): void {
    this.#open.add(stream);
    this.#byPrincipal.set(principal, (this.#byPrincipal.get(principal) ?? 0) + 1);
    this.#context.services.streamStats.open[kind]++;
    this.#pulse ??= setInterval(() => this.#wakeDue(), PULSE_MS);
  }

  #remove(stream: OpenStream, kind: StreamKind, principal: string): void {
    stream.leave();
    this.#open.delete(stream);
    this.#pacer.remove(stream);
    const left = (this.#byPrincipal.get(principal) ?? 1) - 1;
    if (left === 0) this.#byPrincipal.delete(principal);
    else this.#byPrincipal.set(principal, left);
    this.#context.services.streamStats.open[kind]--;
    if (this.#open.size > 0 || this.#pulse === null) return;
    clearInterval(this.#pulse);
    this.#pulse = null;
  }

  #wakeDue(): void {
    for (const stream of this.#open) if (stream.isDue()) this.#pacer.add(stream);
  }

  /** Nothing moved for a while. A client that took all there was is only one that nothing happened for. */
  #judgeSilence(response: ServerResponse, principal: string): void {
    const { socket } = response;
    if (response.writableLength === 0) {
      socket?.setTimeout(this.#limits.silentMs);
      return;
    }
    this.#context.services.streamStats.closedSilent++;
    this.#context.log.info('a client of an event stream took nothing for too long and was closed', {
      principal,
      silentMs: this.#limits.silentMs,
    });
    socket?.destroy();
  }
}
