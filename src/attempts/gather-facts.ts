import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentAdapter, Summary } from '../agents/adapter.ts';
import { createEventReader } from '../agents/read-events.ts';
import { gatherEvidence, type Evidence } from '../keeper/evidence.ts';
import { scanProcesses, type ProcessScan } from '../keeper/processes.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import { errnoOf } from '../kernel/result.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import { judge, type AttemptFacts, type Verdict } from '../lifecycle/verdict.ts';
import type { AttemptContext } from './context.ts';

/** Bytes of output read at a time when it is read back after the end. */
const READ_CHUNK = 256 * 1024;

export interface Judgement {
  verdict: Verdict;
  evidence: Evidence;
  /** What the agent said, when it was needed for the verdict or the attempt is over. */
  summary: Summary | null;
}

/**
 * Looks at everything known of one attempt and judges it. The output is read only when the verdict hangs on it: that is
 * the one thing here whose cost grows with the agent's work. `scan` may be shared by many attempts.
 */
export async function judgeAttempt(
  ctx: AttemptContext,
  attempt: Attempt,
  adapter: AgentAdapter,
  sharedScan?: ProcessScan,
): Promise<Judgement> {
  const runDir = ctx.home.runDirectory(attempt.jobId, attempt.number);
  const look = (scan: ProcessScan): Promise<Evidence> =>
    gatherEvidence({ runDir, attemptId: attempt.id, host: ctx.host, identity: ctx.identity, scan });

  let evidence = await look(sharedScan ?? scanProcesses());
  let verdict = judge(toFacts(evidence, false, false));
  if (verdict.kind === 'LOOK_AGAIN') {
    // Between two looks the keeper may have written its record and gone: the second look, with a fresh scan, decides.
    evidence = await look(scanProcesses());
    verdict = judge(toFacts(evidence, true, false));
  }
  if (verdict.kind === 'FINISHED') {
    return { verdict, evidence, summary: await readSummary(runDir, adapter, verdict.exit.bytesOut) };
  }
  if (verdict.kind !== 'INTERRUPTED') return { verdict, evidence, summary: null };
  const summary = await readSummary(runDir, adapter, Number.POSITIVE_INFINITY);
  return { verdict: judge(toFacts(evidence, true, summary.final !== null)), evidence, summary };
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

/** Reads exactly the first `bytes` of the output (what the exit record vouches for) through the adapter's parser. */
async function readSummary(runDir: string, adapter: AgentAdapter, bytes: number): Promise<Summary> {
  const reader = createEventReader(adapter);
  let handle;
  try {
    handle = await open(join(runDir, RUN_FILES.output), 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return reader.seen;
    throw error;
  }
  try {
    const buffer = Buffer.allocUnsafe(READ_CHUNK);
    for (let at = 0; at < bytes;) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_CHUNK, bytes - at), at);
      if (bytesRead === 0) break;
      reader.push(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return reader.seen;
}
