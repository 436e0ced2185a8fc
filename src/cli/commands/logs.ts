import type { Command } from 'commander';
import type { StreamName } from '../../api/contract.ts';
import { fail } from '../../kernel/errors.ts';
import type { Call, Runtime } from '../command.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import { findTail, readOutput, type OutputSource } from '../output.ts';
import { getJob } from '../references.ts';
import { followToEnd } from '../watch-job.ts';
import { wholeNumber } from '../words.ts';

interface LogsOptions {
  follow?: boolean;
  attempt?: number;
  lines?: number;
  stderr?: boolean;
  raw?: boolean;
}

/** Adds `logs`: the output of a job, byte for byte; with -f while it is being written. */
export function registerLogs(program: Command, runtime: Runtime): void {
  const command = program
    .command('logs')
    .summary("print a job's output")
    .description(
      "Print a job's output: exact bytes into a pipe, made safe for a terminal. With -f it goes on to the end of the job,\n" +
        'across restarts of the server, and the exit code tells how the job ended. Ctrl-C detaches and stops nothing.',
    )
    .argument('<job>')
    .option('-f, --follow', 'go on while the job runs')
    .option('--attempt <n>', 'only this attempt (default: the newest)', wholeNumber(1, 1_000_000))
    .option('-n, --lines <n>', 'only the last lines of what is there', wholeNumber(0, 1_000_000_000))
    .option('--stderr', 'the error output instead (agents that keep it apart)')
    .option('--raw', 'print to a terminal unchanged, control sequences included');
  runtime.handle<LogsOptions>(command, logs);
}

async function logs(call: Call<LogsOptions>): Promise<number> {
  const { client, terminal, options } = call;
  const [reference = ''] = call.args;
  const job = await getJob(call, reference);
  const stream: StreamName = options.stderr === true ? 'stderr' : 'stdout';
  if (options.attempt !== undefined && options.attempt > job.attempts) {
    throw fail('not-found', `job ${job.number} has no attempt ${options.attempt}; it has had ${job.attempts}`, {
      hint: `See \`holdfast show ${job.number}\`.`,
    });
  }
  const attempt = options.attempt ?? Math.max(1, job.attempts);
  const source: OutputSource = { client, job, attempt, stream };
  const offset = options.lines === undefined || job.attempts === 0 ? 0 : await findTail(source, options.lines);
  // An attempt that has a successor is complete: there is nothing to follow.
  if (options.follow === true && attempt >= job.attempts) {
    const raw = options.raw === true;
    const from = { attempt, offset };
    const onlyAttempt = options.attempt === undefined ? {} : { onlyAttempt: options.attempt };
    return followToEnd(call, { job, raw, stream, from, ...onlyAttempt });
  }
  if (job.attempts === 0) {
    terminal.message(`job ${job.number} is ${job.state} and has printed nothing yet`);
    return 0;
  }
  const output = terminal.outputWriter(options.raw === true);
  await readOutput({ ...source, offset }, async (piece) => {
    if (!terminal.json) return output.write(piece.bytes);
    const data = Buffer.from(piece.bytes).toString('base64');
    return terminal.document({ type: 'output', stream, attempt, offset: piece.offset, data });
  });
  await output.end();
  if (!isTerminal(job.state)) terminal.detail(`job ${job.number} is ${job.state}; -f goes on`);
  return 0;
}
