/** A receiver on loopback that keeps what it got, and answers as it is told. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Received {
  id: string;
  path: string;
  body: string;
  headers: IncomingMessage['headers'];
}

export interface Sink extends AsyncDisposable {
  url: string;
  port: number;
  received: Received[];
  /** Most requests that were open at once. */
  mostOpen: number;
}

export type Answering = (request: Received, response: ServerResponse) => void;

/** Opens a receiver; without `answer` it says 204. */
export async function openSink(answer: Answering = (_, response) => void response.writeHead(204).end()): Promise<Sink> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  let open = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    sink.mostOpen = Math.max(sink.mostOpen, ++open);
    response.once('close', () => open--);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { headers, url: path = '' } = request;
      const one = { id: String(headers['webhook-id']), path, body: Buffer.concat(chunks).toString(), headers };
      received.push(one);
      answer(one, response);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const sink: Sink = {
    url: `http://127.0.0.1:${port}`,
    port,
    received,
    mostOpen: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return sink;
}
