import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { PageView, ResourceView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import { fail } from '../../kernel/errors.ts';
import { RESOURCE_KINDS } from '../../lifecycle/resource.ts';
import type { Runtime } from '../command.ts';
import { jobPath } from '../references.ts';
import { renderResources } from '../resource-view.ts';
import { cleanLine } from '../sanitise.ts';
import type { Shell } from '../shell.ts';

interface OfJob {
  job?: string;
}

/** Adds `resource add|list|remove`: what a job made outside and must not outlive it. */
export function registerResource(program: Command, runtime: Runtime): void {
  const resource = program
    .command('resource')
    .summary('containers, networks, processes and paths that must not outlive a job')
    .description('Register what a job made outside: it is removed, by id, when the job has ended.');
  registerAdd(resource, runtime);
  registerList(resource, runtime);
  registerRemove(resource, runtime);
}

/** Inside an agent its own job is meant. */
function ownJob(shell: Shell): string | null {
  const own = shell.env['HOLDFAST_JOB'];
  return own === undefined || own === '' ? null : own;
}

function registerAdd(resource: Command, runtime: Runtime): void {
  const command = resource
    .command('add')
    .description('Register a resource; inside an agent, of its own job. The same one twice is one.')
    .argument('<kind>', RESOURCE_KINDS.join(', '))
    .argument('<id>', 'name or id of a container or network, id of a process, or a path')
    .option('--job <job>', 'job it belongs to (HOLDFAST_JOB)');
  runtime.handle<OfJob>(command, async ({ client, terminal, options, shell, args: [kind = '', id = ''] }) => {
    if (!(RESOURCE_KINDS as readonly string[]).includes(kind)) {
      throw fail('bad-usage', `"${kind}" is none of ${RESOURCE_KINDS.join(', ')}`);
    }
    const own = ownJob(shell);
    const job = options.job ?? own;
    if (job === null) throw fail('bad-usage', 'name the job with --job');
    // An agent means the file it sees; from outside a path is relative to the workspace of the job.
    const target = kind === 'path' && options.job === undefined ? resolve(shell.cwd, id) : id;
    const made = await client.call<ResourceView>({
      method: 'POST',
      path: jobPath(job, '/resources'),
      body: { kind, target },
      // The same resource is registered once however often it is sent.
      idempotencyKey: crypto.randomUUID(),
    });
    if (terminal.json) return terminal.document(made);
    await terminal.data(`${made.id}\n`);
    terminal.message(`${made.kind} ${cleanLine(made.target)} is removed when its job has ended`);
  });
}

function registerList(resource: Command, runtime: Runtime): void {
  const command = resource
    .command('list')
    .description('List the resources of a job, or, without one, all that are not removed.')
    .argument('[job]');
  runtime.handle(command, async ({ client, terminal, shell, args: [reference] }) => {
    const job = reference ?? ownJob(shell);
    const path = job === null ? '/v1/resources' : jobPath(job, '/resources');
    const items: ResourceView[] = [];
    for (let cursor: string | null | undefined = undefined; cursor !== null;) {
      const page: PageView<ResourceView> = await client.get<PageView<ResourceView>>(path, { cursor, limit: 200 });
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    if (terminal.json) return terminal.document({ items, nextCursor: null });
    if (items.length === 0) return terminal.message('no resources');
    const view = { colours: terminal.colours, width: terminal.width, now: systemClock.now() };
    await terminal.data(renderResources(items, view));
  });
}

function registerRemove(resource: Command, runtime: Runtime): void {
  const command = resource
    .command('remove')
    .description('Remove a resource now, by the identity it was registered with.')
    .argument('<resource>', 'id that `resource add` printed')
    .option('--job <job>', 'job it belongs to (HOLDFAST_JOB)')
    .option('--forget', 'stop looking after it, and touch nothing');
  runtime.handle<OfJob & { forget?: boolean }>(command, async (call) => {
    const { client, terminal, options, shell } = call;
    const id = encodeURIComponent(call.args[0] ?? '');
    const job = options.job ?? ownJob(shell) ?? (await client.get<ResourceView>(`/v1/resources/${id}`)).jobId;
    const path = jobPath(job, `/resources/${id}`);
    const query = options.forget === true ? { forget: true } : {};
    const item = await client.call<ResourceView>({ method: 'DELETE', path, query, timeoutMs: 180_000 });
    if (terminal.json) await terminal.document(item);
    else if (item.state === 'failed')
      terminal.alarm(`${item.kind} ${cleanLine(item.target)}: ${cleanLine(item.note ?? '')}\n`);
    else
      terminal.message(
        `${item.kind} ${cleanLine(item.target)} is ${item.state}${item.note === null ? '' : `: ${cleanLine(item.note)}`}`,
      );
    return item.state === 'removed' ? 0 : 1;
  });
}
