/** The server's way to this keeper: lines of JSON on ctl.sock, one answer per request, in order. */
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../kernel/result.ts';
import { readLines } from '../connect.ts';
import { RUN_FILES, UNREAD_LIMIT_BYTES, type ControlReply, type KeeperStatus } from '../protocol.ts';
import { log } from './log.ts';

/** What a request may do. Each may throw; the message is the answer. */
export interface Controls {
  status(): KeeperStatus;
  stop(reason: string): void;
  kill(reason: string): void;
  extend(limits: { wallMs?: number; idleMs?: number }): void;
}

/** Listens in the current directory: a relative name fits the 108 bytes of a socket address wherever the home lies. */
export async function listenControl(controls: Controls): Promise<Server> {
  const server = createServer((socket) => serve(socket, controls));
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(RUN_FILES.socket, done);
  });
  server.on('error', (error) => log(`control socket: ${String(error)}`));
  chmodSync(RUN_FILES.socket, 0o600);
  return server;
}

function serve(socket: Socket, controls: Controls): void {
  socket.on('error', () => undefined);
  readLines(socket, (line) => {
    socket.write(`${JSON.stringify(answer(line, controls))}\n`);
    if (socket.writableLength > UNREAD_LIMIT_BYTES) socket.destroy();
  });
}

function answer(line: string, controls: Controls): ControlReply {
  try {
    const request: unknown = JSON.parse(line);
    if (request === null || typeof request !== 'object') throw new Error('not a request');
    return carryOut(request as Record<string, unknown>, controls);
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  }
}

function carryOut(request: Record<string, unknown>, controls: Controls): ControlReply {
  switch (request['op']) {
    case 'status':
      return { ok: true, status: controls.status() };
    case 'stop':
      controls.stop(readReason(request));
      return { ok: true };
    case 'kill':
      controls.kill(readReason(request));
      return { ok: true };
    case 'extend':
      controls.extend({ ...readSpan(request, 'wallMs'), ...readSpan(request, 'idleMs') });
      return { ok: true };
    default:
      return { ok: false, error: 'unknown request' };
  }
}

function readReason(request: Record<string, unknown>): string {
  const { reason } = request;
  if (typeof reason !== 'string') throw new Error('the reason is missing');
  return reason;
}

function readSpan(request: Record<string, unknown>, name: 'wallMs' | 'idleMs'): { wallMs?: number; idleMs?: number } {
  const value = request[name];
  if (value === undefined) return {};
  if (typeof value !== 'number' || !(value > 0)) throw new Error(`${name} is not a time span`);
  return { [name]: value };
}
