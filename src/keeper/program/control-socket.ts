/** The server's way to this keeper: lines of JSON on ctl.sock, one answer per request, in order. */
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../kernel/result.ts';
import { readLines } from '../connect.ts';
import {
  RUN_FILES,
  UNREAD_LIMIT_BYTES,
  type ControlReply,
  type ControlRequest,
  type KeeperStatus,
} from '../protocol.ts';
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
    return carryOut(JSON.parse(line) as ControlRequest, controls);
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  }
}

function carryOut(request: ControlRequest, controls: Controls): ControlReply {
  switch (request.op) {
    case 'status':
      return { ok: true, status: controls.status() };
    case 'stop':
      controls.stop(String(request.reason));
      return { ok: true };
    case 'kill':
      controls.kill(String(request.reason));
      return { ok: true };
    case 'extend':
      controls.extend({ ...readSpan(request, 'wallMs'), ...readSpan(request, 'idleMs') });
      return { ok: true };
    default:
      return { ok: false, error: 'unknown request' };
  }
}

function readSpan(request: { wallMs?: number; idleMs?: number }, name: 'wallMs' | 'idleMs'): { [name]?: number } {
  const value = request[name];
  if (value === undefined) return {};
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${name} is not a time span`);
  return { [name]: value };
}
