/** What the tests of a gate told: a summary beside its result, which the exit code alone decides. */
import { canonicalJson } from '../../kernel/hash.ts';
import type { Attempt } from '../../lifecycle/attempt.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { TestSummary } from '../../lifecycle/stage.ts';
import type { NewEvidence } from '../../store/ledger-store.ts';
import type { AttemptContext } from '../context.ts';
import { keepBytes, readEvidence } from './evidence-files.ts';
import { readReports } from './test-reports.ts';

/** Longest output that is searched for the words of tests, bytes; the reports of one run together. */
const MAX_PRINTED_BYTES = 4 * 2 ** 20;
const MAX_REPORT_BYTES = 2 * 2 ** 20;

/**
 * Returns the summary of a gate that has ended, kept as evidence beside what it printed; null where it told nothing that
 * is understood. Can be repeated.
 */
export async function summariseTests(
  ctx: AttemptContext,
  { job, attempt, output }: { job: Job; attempt: Attempt; output: NewEvidence | null },
): Promise<{ summary: TestSummary; evidence: NewEvidence } | null> {
  const { home, rules } = ctx;
  const directory = home.evidence(job.id);
  const root = attempt.stage === 'merge' ? home.stageCopy(job.id, attempt.number) : home.workspace(job.id);
  const patterns = job.plan?.reports ?? [];
  const search = { root, patterns, since: attempt.intendedAt, maxBytes: MAX_REPORT_BYTES };
  const reports = patterns.length === 0 ? [] : await readReports(search);
  const isShort = output !== null && output.bytes <= MAX_PRINTED_BYTES;
  const printed = isShort ? await readEvidence(directory, output.sha256) : null;
  const summary = rules.summarise({ printed, reports: reports ?? [] });
  if (summary === null) return null;
  const named = { kind: summary.format, name: attempt.gate ?? 'gate', attempt: attempt.number };
  return { summary, evidence: await keepBytes(directory, `${canonicalJson({ v: 1, ...summary })}\n`, named) };
}
