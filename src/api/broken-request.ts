import type { Socket } from 'node:net';
import { fail } from '../kernel/errors.ts';
import { PROBLEM_TYPE, toProblem } from './problem.ts';

/** What the HTTP parser refuses, with the status that says why; anything else is 400. */
const STATUS: Record<string, string> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/** Answers bytes that are no HTTP request, or that came too slowly, and closes the connection. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = STATUS[error.code ?? ''] ?? '400 Bad Request';
  const problem = toProblem(fail('bad-request', `not a complete HTTP request (${error.code ?? 'unreadable'})`), '');
  const body = JSON.stringify({ ...problem, status: Number(status.slice(0, 3)) });
  const head = [
    `HTTP/1.1 ${status}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
