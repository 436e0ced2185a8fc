import { join } from 'node:path';
import type { AgentAdapter, Summary } from '../agents/adapter.ts';
import { gatherEvidence, type Evidence } from '../keeper/evidence.ts';
import { scanProcesses, type ProcessScan } from '../keeper/processes.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import { judge, type AttemptFacts, type Verdict } from '../lifecycle/verdict.ts';
import type { AttemptContext } from './context.ts';
import { readSummary, readTail } from './read-summary.ts';

export interface Judgement {
  verdict: Verdict;
  evidence: Evidence;
  /** What the agent said, when it was needed for the verdict or the attempt is over. */
  summary: Summary | null;
  /** End of its stderr, when the attempt is over and stderr is apart. */
  stderrTail: string;
}

/**
 * Looks at everything known of one attempt and judges it. The output is read only when the verdict hangs on it: that is
 * the one thing here whose cost grows with the agent's work. `scan` may be shared by many attempts.
 */
export async function judgeAttempt(
  ctx: AttemptContext,
  what: { attempt: Attempt; adapter: AgentAdapter | null; scan: ProcessScan | undefined },
): Promise<Judgement> {
  const { attempt, adapter } = what;
  const runDir = ctx.home.runDirectory(attempt.jobId, attempt.number);
  const look = (scan: ProcessScan): Promise<Evidence> =>
    gatherEvidence({ runDir, attemptId: attempt.id, host: ctx.host, identity: ctx.identity, scan });

  let evidence = await look(what.scan ?? scanProcesses());
  let verdict = judge(toFacts(evidence, false, false));
  if (verdict.kind === 'LOOK_AGAIN' || findContradiction(attempt, evidence) !== null) {
    // Between two looks the keeper may have written its record and gone: the second look, with a fresh scan, decides.
    evidence = await look(scanProcesses());
    evidence = { ...evidence, bad: evidence.bad ?? findContradiction(attempt, evidence) };
    verdict = judge(toFacts(evidence, true, false));
  }
  if (verdict.kind === 'FINISHED') {
    const summary = await readSummary(runDir, adapter, verdict.exit.bytesOut);
    return { verdict, evidence, summary, stderrTail: await readTail(join(runDir, RUN_FILES.stderr)) };
  }
  if (verdict.kind !== 'INTERRUPTED') return { verdict, evidence, summary: null, stderrTail: '' };
  const summary = await readSummary(runDir, adapter, evidence.outputBytes);
  return { verdict: judge(toFacts(evidence, true, summary.final !== null)), evidence, summary, stderrTail: '' };
}

/**
 * Records can be deleted by an agent that is not confined. An attempt that was seen running, or of which something lives,
 * must have a keeper's claim; without one it is not "never started", and a second worker must not be started on that.
 */
function findContradiction(attempt: Attempt, evidence: Evidence): string | null {
  if (evidence.claim === 'keeper' || evidence.exit !== null) return null;
  if (attempt.state === 'running' || attempt.agent !== null) return 'its claim is gone, although it was seen running';
  const alive = evidence.keeperAlive || evidence.agentAlive || evidence.straysAlive;
  return alive ? 'no keeper has claimed it, but something of it lives' : null;
}

function toFacts(evidence: Evidence, lookedTwice: boolean, finalResult: boolean): AttemptFacts {
  return {
    bad: evidence.bad,
    claim: evidence.claim,
    sameHost: evidence.sameHost,
    sameBoot: evidence.sameBoot,
    sameNamespace: evidence.sameNamespace,
    foreignKeeperAnswers: evidence.foreignKeeperAnswers,
    agentRecorded: evidence.agentRecorded,
    keeperAlive: evidence.keeperAlive,
    agentAlive: evidence.agentAlive,
    straysAlive: evidence.straysAlive,
    exit: evidence.exit,
    finalResult,
    lookedTwice,
  };
}
