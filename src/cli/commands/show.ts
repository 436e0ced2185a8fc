import type { Command } from 'commander';
import type {
  AttemptView,
  EvidenceView,
  GatePageView,
  GateView,
  JobView,
  PageView,
  RefusalView,
  ResourceView,
} from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Call, Runtime } from '../command.ts';
import { renderJob } from '../job-view.ts';
import { renderGates, renderHandedOn, renderRefusals } from '../ledger-view.ts';
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
    const ledger = await readLedger(call, job);
    if (terminal.json) {
      return terminal.document({ ...job, attemptList: items, resources: resources.items, ...ledger });
    }
    const view = { colours: terminal.colours, width: terminal.width, now: systemClock.now() };
    await terminal.data(renderJob({ job, attempts: items }, view));
    if (ledger.gates.length > 0) await terminal.data(`\n${renderGates(ledger.gates, view)}`);
    if (ledger.refusals.length > 0) await terminal.data(`\n${renderRefusals(ledger.refusals, view)}`);
    const handedOn = renderHandedOn(ledger.evidence, view);
    if (handedOn !== '') await terminal.data(`\n${handedOn}`);
    if (resources.items.length > 0) await terminal.data(`\n${renderResources(resources.items, view)}`);
  });
}

/** A job without a pipeline has no evidence, and nobody is asked for it. */
async function readLedger(
  { client }: Call,
  job: JobView,
): Promise<{
  gates: readonly GateView[];
  refusals: readonly RefusalView[];
  evidence: readonly EvidenceView[];
}> {
  const { items: gates, refusals } = await client.get<GatePageView>(jobPath(job.id, '/gates'));
  if (job.pipeline !== 'full') return { gates, refusals, evidence: [] };
  const evidence = await client.get<PageView<EvidenceView>>(jobPath(job.id, '/evidence'));
  return { gates, refusals, evidence: evidence.items };
}
