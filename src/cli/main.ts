/**
 * The command line room: parses words, talks HTTP to a server, prints. It owns no state and decides nothing about jobs;
 * it imports of the other rooms only the vocabulary, the API's contract and the server room, the latter only when a
 * command needs it, so that every other command starts fast. stdout is data, stderr is messages. It alone reads
 * process.env and the process's own signals, and hands both on.
 *
 * This file is what bin/holdfast runs.
 */
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { runCli } from './run-cli.ts';

const INTERRUPTED = 130;

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one means it: whatever still tidies up is left.
    if (interrupt.signal.aborted) process.exit(INTERRUPTED);
    interrupt.abort(fail('interrupted', `stopped by ${signal}`));
  });
}
process.stdout.on('error', (error) => {
  // The reader of the pipe went away. What it did not read must not look like success to a caller.
  process.exit(errnoOf(error) === 'EPIPE' ? INTERRUPTED : 1);
});

const exit = await runCli(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  interrupted: interrupt.signal,
});
process.exit(exit);
