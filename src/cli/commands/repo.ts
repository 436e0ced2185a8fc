import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { PageView, RepositoryView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import { quoteWords } from '../../kernel/quote-words.ts';
import { fail } from '../../kernel/errors.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { confirm } from '../ask.ts';
import type { Call, Runtime } from '../command.ts';
import { ensureServer } from '../ensure-server.ts';
import {
  addPipelineOptions,
  changePipeline,
  describePipeline,
  namesPipeline,
  type PipelineOptions,
} from '../pipeline-options.ts';
import { cleanLine } from '../sanitise.ts';
import { renderFields, renderTable, type Cell } from '../table.ts';
import type { Colours } from '../terminal.ts';
import { relativeTime } from '../times.ts';
import { collect, splitWords, wholeNumber } from '../words.ts';

interface RepoOptions extends PipelineOptions {
  name?: string;
  base?: string;
  verify?: string[];
  merge?: boolean;
  concurrency?: number;
  command?: string;
  push?: string | false;
}

/** Adds `repo add|list|show|update|remove`. */
export function registerRepo(program: Command, runtime: Runtime): void {
  const repo = program.command('repo').summary('register and manage repositories').description('Manage repositories.');
  const add = repo
    .command('add')
    .description('Register a git repository by path or URL. Starts a server first when none runs.')
    .argument('<source>', 'path, https:// URL or ssh address')
    .option('--name <name>', 'how jobs name it (default: from the source)');
  runtime.handle<RepoOptions>(addSettings(add), addRepository);
  runtime.handle(repo.command('list').description('List repositories.'), listRepositories);
  const show = repo.command('show').description('Show a repository.').argument('<name>');
  runtime.handle(show, async (call) => print(call, await call.client.get(repoPath(call.args[0]))));
  const update = repo.command('update').description('Change the named settings of a repository.').argument('<name>');
  update.option('--no-merge', 'hand off branches instead of merging');
  update.option('--no-push', 'push hand-offs nowhere').option('--clear-reviewers', 'forget all reviewers named before');
  runtime.handle<RepoOptions>(addSettings(update), updateRepository);
  const remove = repo.command('remove').description('Forget a repository without unfinished jobs.').argument('<name>');
  runtime.handle(remove, async (call) => {
    const [name = ''] = call.args;
    await confirm(call, `Forget the repository "${name}"?`);
    await call.client.call({ method: 'DELETE', path: repoPath(name) });
    if (call.terminal.json) return call.terminal.document({ removed: name });
    call.terminal.message(`removed "${name}"; its source was not touched`);
  });
}

function addSettings(command: Command): Command {
  const settings = command
    .option('--base <branch>', "branch jobs start from (default: the source's HEAD)")
    .option('--verify <command>', 'gate command, split into words, no shell; may be repeated', collect)
    .option('--merge', 'merge finished work into the base branch')
    .option('--push <address>', 'push branches of hand-offs there, never by force: path, https:// URL or ssh address')
    .option('--concurrency <n>', 'jobs at work at once', wholeNumber(1, 1000))
    .option('--command <command>', 'command of agent exec for jobs that bring none');
  return addPipelineOptions(settings);
}

function repoPath(name = ''): string {
  return `/v1/repositories/${encodeURIComponent(name)}`;
}

function settingsOf(options: RepoOptions, cwd: string): Record<string, unknown> {
  const { push } = options;
  return {
    ...(options.base === undefined ? {} : { base: options.base }),
    ...(options.verify === undefined ? {} : { verify: options.verify.map(splitWords) }),
    ...(options.merge === undefined ? {} : { merge: options.merge }),
    ...(push === undefined ? {} : { push: push === false ? null : resolveSource(push, cwd) }),
    ...(options.concurrency === undefined ? {} : { limits: { concurrency: options.concurrency } }),
    ...(options.command === undefined ? {} : { command: splitWords(options.command) }),
  };
}

/** Returns the source as the server takes it: a path made absolute, anything else as it is. */
function resolveSource(source: string, cwd: string): string {
  const isUrl = /^[A-Za-z][A-Za-z0-9+.-]*:/.test(source);
  const isSshAddress = /^[^/\s]+@[^/\s:]+:/.test(source);
  return isUrl || isSshAddress ? source : resolve(cwd, source);
}

async function addRepository(call: Call<RepoOptions>): Promise<void> {
  const { options, terminal } = call;
  const [source = ''] = call.args;
  const { cwd } = call.shell;
  const pipeline = await changePipeline(options, { before: null, cwd });
  const body = {
    source: resolveSource(source, cwd),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...settingsOf(options, cwd),
    ...(pipeline === undefined ? {} : { pipeline }),
  };
  await ensureServer(call);
  const post = { method: 'POST', path: '/v1/repositories', body, idempotencyKey: randomUUID() } as const;
  const repository = await call.client.call<RepositoryView>(post);
  if (terminal.json) return terminal.document(repository);
  await terminal.data(`${repository.name}\n`);
  terminal.message(
    `registered ${cleanLine(repository.source)}, base ${cleanLine(repository.base)}\n→ holdfast run --repo ${repository.name} "what to do"`,
  );
}

async function updateRepository(call: Call<RepoOptions>): Promise<void> {
  const { cwd } = call.shell;
  const path = repoPath(call.args[0]);
  const patch = settingsOf(call.options, cwd);
  if (namesPipeline(call.options)) {
    const { pipeline: before } = await call.client.get<RepositoryView>(path);
    patch['pipeline'] = await changePipeline(call.options, { before, cwd });
  }
  if (Object.keys(patch).length === 0)
    throw fail('bad-usage', 'nothing to change', { hint: 'Name a setting, like --base.' });
  await print(call, await call.client.call({ method: 'PATCH', path, body: patch }));
}

async function listRepositories({ client, terminal }: Call): Promise<void> {
  const page = await client.get<PageView<RepositoryView>>('/v1/repositories');
  if (terminal.json) return terminal.document(page);
  if (page.items.length === 0) return terminal.message('no repositories\n→ holdfast repo add PATH');
  const { colours } = terminal;
  const rows = page.items.map((item): (Cell | string)[] => [
    cleanLine(item.name),
    { text: item.unavailable === null ? item.cloneState : 'unavailable', style: stateColour(item, colours) },
    cleanLine(item.base),
    String(item.limits.concurrency),
    { text: relativeTime(item.createdAt, systemClock.now()), style: colours.dim },
    cleanLine(item.source),
  ]);
  const columns = [
    { title: 'NAME' },
    { title: 'STATE' },
    { title: 'BASE' },
    { title: 'JOBS AT ONCE', align: 'right' as const },
    { title: 'ADDED' },
    { title: 'SOURCE', flexible: true },
  ];
  await terminal.data(renderTable({ columns, rows, width: terminal.width, heading: colours.bold }));
}

function stateColour(item: RepositoryView, colours: Colours): (text: string) => string {
  if (item.unavailable !== null || item.cloneState === 'failed') return colours.red;
  return item.cloneState === 'ready' ? colours.green : colours.dim;
}

async function print({ terminal }: Call, item: RepositoryView): Promise<void> {
  if (terminal.json) return terminal.document(item);
  const { colours } = terminal;
  const words = (argv: readonly string[]): string => cleanLine(quoteWords(argv));
  await terminal.data(
    renderFields(
      [
        ['name', item.name],
        ['source', cleanLine(item.source)],
        ['base', cleanLine(item.base)],
        ['state', stateColour(item, colours)(item.cloneState)],
        ['unavailable', item.unavailable === null ? null : colours.red(cleanLine(item.unavailable))],
        ['verify', item.verify.length === 0 ? null : item.verify.map(words).join(' · ')],
        ...describePipeline(item.pipeline, formatDuration),
        ['command', item.command === null ? null : words(item.command)],
        ['at once', String(item.limits.concurrency)],
        ['merge', item.merge ? 'yes' : 'no, hand off'],
        ['pushed to', item.push === null ? null : cleanLine(item.push)],
        ['added', relativeTime(item.createdAt, systemClock.now())],
      ],
      colours.dim,
    ),
  );
}
