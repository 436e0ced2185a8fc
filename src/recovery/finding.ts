import type { Adoption } from '../attempts/supervisor.ts';
import type { EvidenceFile } from '../keeper/evidence.ts';
import type { Job } from '../lifecycle/job.ts';
import { commandOf, nextSafeAction } from '../lifecycle/next-safe-action.ts';
import type { EvidenceItem, JobFinding, RecoveryOutcome } from '../lifecycle/report.ts';

/** Returns a finding that says nothing happened to this job; callers add what did. */
export function startFinding(job: Job): JobFinding {
  return {
    id: job.id,
    number: job.number,
    stateBefore: job.state,
    stageBefore: job.stage,
    verdict: null,
    outcome: 'unchanged',
    evidence: [],
    worker: null,
    lastDurableArtifact: null,
    outputBytesBefore: job.outputBytes,
    outputBytesNow: job.outputBytes,
    workLostSeconds: 0,
    blocker: null,
    nextSafeAction: 'none',
    command: null,
  };
}

/** Returns the finding of a job that was set aside: why, and the path that shows it. */
export function quarantineFinding(before: Job, why: string, path: string): JobFinding {
  return {
    ...startFinding(before),
    verdict: 'QUARANTINE',
    outcome: 'quarantined',
    evidence: [{ kind: 'fault', path, note: why }],
    blocker: why,
    nextSafeAction: 'inspect_quarantine',
    command: commandOf('inspect_quarantine', before.number),
  };
}

/** What the report needs besides the adoption itself. */
export interface AdoptionContext {
  /** The next attempt of the job, if there is one, will be a warm one. */
  canResume: boolean;
  /** When the keeper last wrote its heartbeat, milliseconds since 1970, or null when it never did. */
  lastHeartbeatAt: number | null;
}

/** Returns what the start found of one attempt and did about it. */
export function describeAdoption(before: Job, adoption: Adoption, context: AdoptionContext): JobFinding {
  const { evidence, verdict } = adoption.resolution.judgement;
  const outcome = outcomeOf(adoption, context.canResume);
  const process = evidence.agent ?? evidence.keeper;
  const action = nextSafeAction(adoption.job);
  return {
    ...startFinding(before),
    verdict: verdict.kind,
    outcome,
    evidence: evidence.files.map(describeFile),
    worker:
      process === null
        ? null
        : { attempt: adoption.attempt.number, ...process, alive: evidence.keeperAlive || evidence.agentAlive },
    lastDurableArtifact: evidence.files.at(-1)?.path ?? null,
    outputBytesNow: evidence.outputBytes,
    workLostSeconds: outcome === 'restarted_cold' ? secondsRun(adoption, context.lastHeartbeatAt) : 0,
    blocker: adoption.job.blocker,
    nextSafeAction: action,
    command: commandOf(action, before.number),
  };
}

function outcomeOf(adoption: Adoption, canResume: boolean): RecoveryOutcome {
  const { resolution, ending } = adoption;
  if (resolution.kind === 'alive') return 'reattached';
  const { verdict } = resolution;
  switch (verdict.kind) {
    case 'FINISHED':
      if (ending?.job === 'interrupt') return canResume ? 'resumed_warm' : 'restarted_cold';
      return ['wall', 'idle', 'output'].includes(verdict.exit.stoppedBy ?? '')
        ? 'stopped_while_down'
        : 'completed_while_down';
    case 'FINISHED_BY_OUTPUT':
      return 'completed_while_down';
    case 'NEVER_RAN':
    case 'SEALED':
      return 'requeued';
    case 'INTERRUPTED':
      if (ending?.job !== 'interrupt') return 'unchanged';
      return canResume ? 'resumed_warm' : 'restarted_cold';
    case 'QUARANTINE':
    case 'FOREIGN':
      return 'quarantined';
  }
}

/** Seconds the attempt is known to have worked: all of them are lost when it restarts cold. */
function secondsRun({ attempt }: Adoption, lastHeartbeatAt: number | null): number {
  const lastSign = lastHeartbeatAt ?? attempt.endedAt;
  if (attempt.startedAt === null || lastSign === null) return 0;
  return Math.max(0, Math.round((lastSign - attempt.startedAt) / 1000));
}

function describeFile(file: EvidenceFile): EvidenceItem {
  const size = file.bytes === null ? 'cannot be read' : `${file.bytes} bytes`;
  const note = file.damage === null ? size : `damaged, ${size}: ${file.damage}`;
  return { kind: file.kind, path: file.path, note, ...(file.sha256 === null ? {} : { sha256: file.sha256 }) };
}
