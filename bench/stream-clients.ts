/**
 * Clients of event streams in a thread of their own, so that what they do is not counted to whoever measures: opens the
 * paths it is told of, reads whatever comes, and says how many are open once each has answered.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';

export interface ToClients {
  port: number;
  token: string;
  /** One stream each; none closes all. */
  paths: string[];
}

export interface FromClients {
  open: number;
}

/** Connections made at once: the backlog of a listener is 511. */
const AT_ONCE = 50;

const sockets = new Set<Socket>();

async function open({ port, token }: ToClients, path: string): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nAccept: text/event-stream\r\n\r\n`,
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  if (!head.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(head.toString());
  socket.resume();
}

async function obey(message: ToClients): Promise<void> {
  if (message.paths.length === 0) for (const socket of sockets) socket.destroy();
  const paths = message.paths.values();
  const opener = async (): Promise<void> => {
    for (const path of paths) await open(message, path);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, opener));
  parentPort?.postMessage({ open: sockets.size } satisfies FromClients);
}

parentPort?.on('message', (message: ToClients) => void obey(message));
