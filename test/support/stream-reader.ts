import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { BootFrame, EndFrame, OutputFrame, StateFrame } from '../../src/api/contract/stream.ts';
import { readServerFile } from '../../src/server/server-file.ts';
import type { World } from './world.ts';

/** Reads the stream of a job as a browser would: when the connection breaks it comes back with the last id it saw. */
export class StreamReader {
  /** Bytes of each attempt, in the order they came; throws on the first byte that is not the next one. */
  readonly output = new Map<number, Buffer>();
  /** Journal sequence of each state frame. */
  readonly seqs: number[] = [];
  /** Servers that answered, in order. */
  readonly boots: string[] = [];
  end: EndFrame | null = null;
  /** Connections that were made. */
  connections = 0;
  private readonly world: World;
  private readonly job: string;
  private lastId: string | null = null;

  constructor(world: World, job: string) {
    this.world = world;
    this.job = job;
  }

  /** How many bytes came of all attempts. */
  get bytes(): number {
    return [...this.output.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Reads until the last frame, over any number of servers. Throws what a frame has wrong. */
  async follow(signal: AbortSignal): Promise<void> {
    while (this.end === null) {
      signal.throwIfAborted();
      const response = await this.connect(signal).catch(() => null);
      if (response?.status === 200) await this.read(response);
      else await response?.arrayBuffer();
      await sleep(20);
    }
  }

  private async connect(signal: AbortSignal): Promise<Response | null> {
    const info = await readServerFile(this.world.home.serverFile);
    if (info === null) return null;
    const token = (await readFile(this.world.home.tokenFile, 'utf8')).trim();
    return fetch(`${info.url}/v1/jobs/${this.job}/stream`, {
      headers: {
        authorization: `Bearer ${token}`,
        ...(this.lastId === null ? {} : { 'last-event-id': this.lastId }),
      },
      signal,
    });
  }

  private async read(response: Response): Promise<void> {
    this.connections += 1;
    const messages: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (message) => messages.push(message) });
    const decoder = new TextDecoder();
    const chunks = response.body?.getReader();
    for (;;) {
      // The server was killed: what came so far counts, a frame that is not whole does not.
      const chunk = (await chunks?.read().catch(() => null)) ?? null;
      if (chunk === null || chunk.done) return;
      parser.feed(decoder.decode(chunk.value, { stream: true }));
      for (const message of messages.splice(0)) this.take(message);
    }
  }

  private take(message: EventSourceMessage): void {
    const data: unknown = JSON.parse(message.data);
    if (message.event === 'boot') this.boots.push((data as BootFrame).bootId);
    else if (message.event === 'output') this.takeOutput(data as OutputFrame);
    else if (message.event === 'state') this.seqs.push((data as StateFrame).seq);
    else if (message.event === 'end') this.end = data as EndFrame;
    else throw new Error(`a frame of kind ${String(message.event)}`);
    this.lastId = message.id ?? this.lastId;
  }

  private takeOutput(frame: OutputFrame): void {
    const before = this.output.get(frame.attempt) ?? Buffer.alloc(0);
    if (frame.offset !== before.length) {
      throw new Error(`attempt ${frame.attempt}: byte ${frame.offset} came where ${before.length} was due`);
    }
    this.output.set(frame.attempt, Buffer.concat([before, Buffer.from(frame.data, 'base64')]));
  }
}
