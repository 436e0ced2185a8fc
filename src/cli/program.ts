import { Command } from 'commander';
import { VERSION } from '../server/version.ts';
import type { Runtime } from './command.ts';
import { registerBackup } from './commands/backup.ts';
import { registerCallbacks } from './commands/callbacks.ts';
import { registerCheckout } from './commands/checkout.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerDemo } from './commands/demo.ts';
import { registerDiff } from './commands/diff.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerEvents } from './commands/events.ts';
import { registerJobActions } from './commands/job-actions.ts';
import { registerPacket } from './commands/packet.ts';
import { registerProof } from './commands/proof.ts';
import { registerJobs } from './commands/jobs.ts';
import { registerLeases, registerLocks } from './commands/locks.ts';
import { registerLogs } from './commands/logs.ts';
import { registerQueue } from './commands/queue.ts';
import { registerRecovery } from './commands/recovery.ts';
import { registerRepo } from './commands/repo.ts';
import { registerResource } from './commands/resource.ts';
import { registerRestore } from './commands/restore.ts';
import { registerRun } from './commands/run.ts';
import { registerServe } from './commands/serve.ts';
import { registerServer } from './commands/server.ts';
import { registerShow } from './commands/show.ts';
import { registerStats } from './commands/stats.ts';
import { registerStatus } from './commands/status.ts';
import { registerToken } from './commands/token.ts';
import { registerTranscript } from './commands/transcript.ts';
import { registerWait } from './commands/wait.ts';

const EXIT_CODES = `
Exit codes: 0 ok · 1 failed · 2 usage · 3 not found · 4 not authorised · 5 conflict · 6 server unreachable
            7 the job ended failed, cancelled or timed out · 8 the job (or, for doctor, the home) needs a person · 124 timed out · 130 interrupted

JOB is a number (12), an id, or a unique prefix of an id.`;

/** Returns the whole command line, ready to parse. It ends no process: it throws, and `Runtime.exit` holds the code. */
export function buildProgram(runtime: Runtime): Command {
  const { stdout, stderr } = runtime.shell;
  const program = new Command('holdfast')
    .description('Runs coding agents so that nothing that crashes can take their work away.')
    .version(VERSION, '-V, --version', 'print the version')
    .option('--json', 'print JSON with a stable schema, also for errors (on stderr)')
    .option('--url <url>', 'server to talk to (HOLDFAST_URL)')
    .option('--home <dir>', 'home of the local server (HOLDFAST_HOME)')
    .option('--no-color', 'no colours (NO_COLOR)')
    .option('--yes', 'answer every question with yes')
    .option('--no-input', 'never ask anything')
    .option('-q, --quiet', 'only data and errors')
    .option('-v, --verbose', 'say more on stderr')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      // Errors are thrown and printed once, in our own form.
      outputError: () => undefined,
    });
  program.commandsGroup('Jobs:');
  registerRun(program, runtime);
  registerJobActions(program, runtime);
  registerPacket(program, runtime);
  registerProof(program, runtime);
  registerJobs(program, runtime);
  registerShow(program, runtime);
  registerStatus(program, runtime);
  registerWait(program, runtime);
  registerLogs(program, runtime);
  registerTranscript(program, runtime);
  registerDiff(program, runtime);
  registerCheckout(program, runtime);
  registerQueue(program, runtime);
  registerStats(program, runtime);
  registerLocks(program, runtime);
  registerLeases(program, runtime);
  registerCallbacks(program, runtime);
  program.commandsGroup('Repositories:');
  registerRepo(program, runtime);
  program.commandsGroup('Server and recovery:');
  registerServe(program, runtime);
  registerServer(program, runtime);
  registerEvents(program, runtime);
  registerRecovery(program, runtime);
  registerDoctor(program, runtime);
  registerDemo(program, runtime);
  registerToken(program, runtime);
  registerResource(program, runtime);
  registerBackup(program, runtime);
  registerRestore(program, runtime);
  registerCompletion(program, runtime);
  return program;
}
