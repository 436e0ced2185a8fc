import type { Command } from 'commander';
import type { AttemptView, PageView, ResourceView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Runtime } from '../command.ts';
import { renderJob } from '../job-view.ts';
import { renderResources } from '../resource-view.ts';
import { getJob, jobPath } from '../references.ts';

/** Adds `show`: everything known of one job, and what to do next. Looking changes nothing. */
export function registerShow(program: Command, runtime: Runtime): void {
  const command = program
    .command('show')
    .summary('show a job')
    .description('Show a job: its state, what blocks it, the next safe action, its attempts and where its files are.')
    .argument('<job>');
  runtime.handle(command, async (call) => {
    const { client, terminal } = call;
    const [reference = ''] = call.args;
    const job = await getJob(call, reference);
    const { items } = await client.get<PageView<AttemptView>>(jobPath(job.id, '/attempts'));
    const resources = await client.get<PageView<ResourceView>>(jobPath(job.id, '/resources'));
    if (terminal.json) return terminal.document({ ...job, attemptList: items, resources: resources.items });
    const view = { colours: terminal.colours, width: terminal.width, now: systemClock.now() };
    await terminal.data(renderJob({ job, attempts: items }, view));
    if (resources.items.length > 0) await terminal.data(`\n${renderResources(resources.items, view)}`);
  });
}
