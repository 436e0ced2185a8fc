import { PIPELINES, type Pipeline } from '../../lifecycle/job.ts';
import { randomUUID } from 'node:crypto';
import { Option, type Command } from 'commander';
import type { JobView, NewJobBody } from '../../api/contract.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { fail } from '../../kernel/errors.ts';
import { MAX_PROMPT_BYTES } from '../../lifecycle/job.ts';
import { readStdin } from '../ask.ts';
import type { Call, Runtime } from '../command.ts';
import { ensureServer } from '../ensure-server.ts';
import { followToEnd, waitToEnd } from '../watch-job.ts';
import { repositoryOfDirectory, requireGitRoot } from '../repository-of-directory.ts';
import { cleanLine } from '../sanitise.ts';
import { readyPackets, sendPackets } from '../send-packets.ts';
import { openUploads, sendUploads } from '../uploads.ts';
import { collect, wholeNumber } from '../words.ts';

interface RunOptions {
  repo?: string[];
  agent?: string;
  pipeline?: Pipeline;
  packet?: string[];
  after?: string[];
  priority?: number;
  timeout?: number;
  idempotencyKey?: string;
  callback?: string[];
  onInterrupt?: 'continue' | 'ask';
  file?: string[];
  overwrite?: boolean;
  hold?: boolean;
  wait?: boolean;
  follow?: boolean;
  raw?: boolean;
}

/** Adds `run`: submits a job, and starts a server first when none runs. */
export function registerRun(program: Command, runtime: Runtime): void {
  const command = program
    .command('run')
    .summary('submit a job')
    .description(
      'Submit a job: a prompt for an agent, or a command after --. Prints the number of the job.\n' +
        'Without --repo the git repository of the current directory is used, and registered if it is new.',
    )
    .usage('[options] [prompt] [-- command args...]')
    .argument('[prompt]', 'what to do; - reads it from stdin')
    .option('--repo <name>', 'registered repository; several times: the workspace has them side by side', collect)
    .option('--agent <name>', 'agent to run (with a command after --: exec)')
    .addOption(new Option('--pipeline <name>', 'stages to walk (with a packet: full)').choices(PIPELINES))
    .option('--packet <file>', 'structured work items, each becomes a job; may be repeated (see packet)', collect)
    .option('--after <job>', 'job it comes after: it waits until that ended well; may be repeated', collect)
    .option('--priority <n>', 'higher goes first, -1000 to 1000', wholeNumber(-1000, 1000))
    .option('--timeout <duration>', 'longest time one attempt may run, like 90m', parseDuration)
    .option('--callback <url>', 'tell this URL of everything that happens to it; can be repeated', collect)
    .option('--idempotency-key <key>', 'the same key submits the same job once')
    .addOption(new Option('--on-interrupt <what>', 'after an interrupted attempt').choices(['continue', 'ask']))
    .option('--file <path>', 'file the job gets at the top of its workspace; may be repeated', collect)
    .option('--overwrite', 'let a --file take the place of a file of the repository')
    .option('--hold', 'do not queue it yet (see start)')
    .option('--wait', 'wait for its end; the exit code tells it')
    .option('--follow', 'print its output while it runs; the exit code tells its end')
    .option('--raw', 'with --follow: print to a terminal unchanged');
  runtime.handle<RunOptions>(command, run);
}

async function run(call: Call<RunOptions>): Promise<number> {
  const { options } = call;
  if (options.hold === true && (options.wait === true || options.follow === true)) {
    throw fail('bad-usage', 'a job on hold does not start, so there is nothing to wait for', {
      hint: 'Leave out --hold.',
    });
  }
  if (options.packet !== undefined) return runPackets(call, options.packet);
  const work = await readWork(call);
  const uploads = await openUploads(options.file ?? [], call.shell.cwd);
  // Before a server is started for nothing.
  if (options.repo === undefined) await requireGitRoot(call);
  await ensureServer(call);
  const body: NewJobBody = {
    ...work,
    ...(await describeJob(call)),
    ...(options.hold === true || uploads.length > 0 ? { start: false } : {}),
  };
  // A key of our own lets a submission whose answer was lost be repeated without a second job.
  const idempotencyKey = options.idempotencyKey ?? randomUUID();
  const job = await call.client.call<JobView>({ method: 'POST', path: '/v1/jobs', body, idempotencyKey });
  if (uploads.length === 0) return afterSubmission(call, job);
  const overwrite = options.overwrite === true;
  return afterSubmission(call, await sendUploads(call, { job, uploads, overwrite, start: options.hold !== true }));
}

/** What the options say of a job, whatever its work is. */
async function describeJob(call: Call<RunOptions>): Promise<Omit<NewJobBody, 'prompt' | 'command' | 'packet'>> {
  const { options } = call;
  return {
    ...(await chooseRepositories(call)),
    ...given('pipeline', options.pipeline),
    ...given('after', options.after),
    ...given('priority', options.priority),
    ...given('onInterrupt', options.onInterrupt),
    ...(options.timeout === undefined ? {} : { limits: { wallMs: options.timeout } }),
    ...(options.callback === undefined ? {} : { callbacks: options.callback.map((url) => ({ url })) }),
  };
}

/**
 * Submits every packet of the files, each after those it depends on. One that is not valid refuses them all before any is
 * sent; a weak one becomes a job that is blocked, beside the good ones.
 */
async function runPackets(call: Call<RunOptions>, paths: readonly string[]): Promise<number> {
  const { options, terminal } = call;
  if (call.args.length > 0 || call.tail !== null || options.file !== undefined || options.follow === true) {
    throw fail('bad-usage', 'packets bring their own work', {
      hint: 'Leave out prompt, command, --file and --follow.',
    });
  }
  const ready = await readyPackets(paths, call.shell.cwd);
  if (options.repo === undefined) await requireGitRoot(call);
  await ensureServer(call);
  const held = options.hold === true ? { start: false } : {};
  const jobs = await sendPackets(call, {
    ...ready,
    common: { ...(await describeJob(call)), ...given('agent', options.agent), ...held },
    idempotencyKey: options.idempotencyKey ?? null,
    onSent: async (job, name) => {
      if (!terminal.json) await terminal.data(`${job.number}\n`);
      if (job.state === 'blocked')
        terminal.message(`${name}: job ${job.number} is blocked: ${cleanLine(job.blocker ?? '')}`);
      if (job.state === 'waiting') terminal.message(`${name}: job ${job.number} is waiting${tellAwaited(job)}`);
    },
  });
  if (options.wait === true) return waitToEnd(call, { jobs, timeoutMs: null });
  if (terminal.json) await terminal.document({ items: jobs });
  return jobs.some(({ state }) => state === 'blocked') ? 8 : 0;
}

/** In words: ` for job 3, job 4`. */
function tellAwaited({ state, waitingFor }: JobView): string {
  if (state !== 'waiting') return '';
  return ` for ${waitingFor.map(({ what }) => cleanLine(what.replace(':', ' '))).join(', ')}`;
}

async function chooseRepositories(call: Call<RunOptions>): Promise<Pick<NewJobBody, 'repository' | 'repositories'>> {
  const { repo } = call.options;
  if (repo === undefined) return { repository: await repositoryOfDirectory(call) };
  const [repository = '', ...others] = repo;
  return others.length === 0 ? { repository } : { repositories: repo };
}

async function afterSubmission(call: Call<RunOptions>, job: JobView): Promise<number> {
  const { terminal, options } = call;
  if (options.follow === true) {
    terminal.message(`job ${job.number} submitted; Ctrl-C detaches, the job goes on`);
    const from = { attempt: 1, offset: 0 };
    return followToEnd(call, { job, raw: options.raw === true, stream: 'stdout', from });
  }
  if (options.wait === true) {
    if (!terminal.json) await terminal.data(`${job.number}\n`);
    return waitToEnd(call, { jobs: [job], timeoutMs: null });
  }
  if (terminal.json) {
    await terminal.document(job);
    return 0;
  }
  await terminal.data(`${job.number}\n`);
  const place = job.queuePosition === null ? '' : ` at place ${job.queuePosition}`;
  const next = job.state === 'created' ? `holdfast start ${job.number}` : `holdfast logs -f ${job.number}`;
  terminal.message(`job ${job.number} is ${job.state}${place}${tellAwaited(job)}\n→ ${next}`);
  return 0;
}

async function readWork(call: Call<RunOptions>): Promise<Pick<NewJobBody, 'prompt' | 'command' | 'agent'>> {
  const { tail, options } = call;
  const [argument] = call.args;
  if (tail !== null && tail.length === 0)
    throw fail('bad-usage', 'nothing follows --', { hint: 'Write the command after it.' });
  const prompt = argument === '-' ? await readStdin(call, MAX_PROMPT_BYTES) : argument;
  if (prompt === undefined && tail === null) {
    throw fail('bad-usage', 'there is nothing to do', {
      hint: 'Give a prompt, - to read it from stdin, or a command after --: holdfast run -- make test',
    });
  }
  if (prompt?.trim() === '') throw fail('bad-prompt', 'the prompt is empty');
  return {
    ...given('prompt', prompt),
    ...(tail === null ? {} : { command: tail }),
    ...given('agent', options.agent ?? (tail === null ? undefined : 'exec')),
  };
}

function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };
}
