/** The server's end of a keeper's control socket. That it is open means the keeper lives; its end means it died. */
import { open, type FileHandle } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { constants } from 'node:fs';
import { fail } from '../kernel/errors.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import {
  RUN_FILES,
  UNREAD_LIMIT_BYTES,
  type ControlReply,
  type ControlRequest,
  type KeeperStatus,
} from './protocol.ts';

export interface KeeperConnection {
  /** Null when the keeper does not answer in time (stopped, busy) or ended. */
  status(timeoutMs: number): Promise<KeeperStatus | null>;
  /** Asks the agent to stop; the keeper kills what is left after the grace. Throws `keeper-failed`. */
  stop(reason: string): Promise<void>;
  /** Kills everything of the attempt at once. Throws `keeper-failed`. */
  kill(reason: string): Promise<void>;
  /** Raises limits, durably; a lower value than the present one changes nothing. Throws `keeper-failed`. */
  extend(limits: { wallMs?: number; idleMs?: number }): Promise<void>;
  /** Resolves when the connection ends: the keeper died or ended (or `close` was called). */
  readonly ended: Promise<void>;
  close(): void;
}

type Waiter = { answer: (reply: ControlReply) => void; fail: (why: string) => void };

/**
 * Connects to the keeper of `runDir`, or returns null when none listens (no socket, a dead or an ending one). Every other error
 * is thrown: it proves nothing. Goes through /proc/self/fd, because a socket address holds 108 bytes only.
 */
export async function connectKeeper(runDir: string): Promise<KeeperConnection | null> {
  let folder: FileHandle;
  try {
    folder = await open(runDir, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const socket = await dial(`/proc/self/fd/${folder.fd}/${RUN_FILES.socket}`);
    return socket === null ? null : wrap(socket);
  } finally {
    await folder.close();
  }
}

function dial(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error) => {
      const errno = errnoOf(error);
      // ECONNRESET: it stopped listening before it took us, which a keeper does only as it ends or dies.
      if (errno === 'ENOENT' || errno === 'ECONNREFUSED' || errno === 'ECONNRESET') resolve(null);
      else reject(error);
    });
  });
}

function wrap(socket: Socket): KeeperConnection {
  const waiting: Waiter[] = [];
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let why = 'the keeper ended';
  socket.on('error', (error) => (why = messageOf(error)));
  socket.once('close', () => {
    for (const one of waiting.splice(0)) one.fail(why);
  });
  readLines(socket, (line) => waiting.shift()?.answer(JSON.parse(line) as ControlReply));

  const ask = (request: ControlRequest): Promise<ControlReply> =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) return reject(fail('keeper-failed', why));
      waiting.push({ answer: resolve, fail: (reason) => reject(fail('keeper-failed', reason)) });
      socket.write(`${JSON.stringify(request)}\n`);
    });
  const tell = async (request: ControlRequest): Promise<void> => {
    const reply = await ask(request);
    if (!reply.ok) throw fail('keeper-failed', reply.error);
  };
  return {
    status: (timeoutMs) => within(timeoutMs, ask({ op: 'status' })),
    stop: (reason) => tell({ op: 'stop', reason }),
    kill: (reason) => tell({ op: 'kill', reason }),
    extend: (limits) => tell({ op: 'extend', ...limits }),
    ended,
    close: () => void socket.destroy(),
  };
}

async function within(timeoutMs: number, answer: Promise<ControlReply>): Promise<KeeperStatus | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), timeoutMs)));
  try {
    const reply = await Promise.race([answer.catch(() => null), late]);
    return reply !== null && reply.ok && 'status' in reply ? reply.status : null;
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `onLine` for each complete line; drops a peer whose line does not end within the limit or that breaks it. */
export function readLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    try {
      for (const line of lines) onLine(line);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    }
    if (rest.length > UNREAD_LIMIT_BYTES) socket.destroy(new Error('a line without end'));
  });
}
