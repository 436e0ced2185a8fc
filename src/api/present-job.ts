import { join } from 'node:path';
import type { Attempt } from '../lifecycle/attempt.ts';
import { recoveryOf } from '../lifecycle/recovery-state.ts';
import { isActive } from '../lifecycle/transitions.ts';
import { nextSafeAction } from '../lifecycle/next-safe-action.ts';
import { repositoriesOf, type Job } from '../lifecycle/job.ts';
import type { Phase } from '../lifecycle/phase.ts';
import type { WaitingFor } from './explain-waiting.ts';
import type { KeptUntil } from '../lifecycle/retention.ts';
import type { NextSafeAction } from '../lifecycle/report.ts';
import { showTime } from './contract/common.ts';
import type { JobView } from './contract/job.ts';
import type { EstimateView } from './contract/statistics.ts';

/** What a job's row does not hold and its view needs. */
export interface JobFacts {
  prompt: string;
  /** As it was accepted; null for a job without one. */
  packet: Record<string, unknown> | null;
  queuePosition: number | null;
  phase: Phase | null;
  waitingFor: WaitingFor[];
  estimate: EstimateView | null;
  /** What is damaged of its records, in words, or null. */
  damage: string | null;
  /** Absolute path of its workspace, whether or not it is ready. */
  workspace: string;
  /** Directory of those that were set aside. */
  setAside: string;
  kept: KeptUntil;
  /** Of the newest attempt; null while there is none. */
  outputFile: string | null;
  sentinelFile: string | null;
  /** Bytes of `outputFile` now, or null when that was not looked at. */
  outputBytes: number | null;
  /** Its newest attempts, at most two, oldest first; none of a job that has ended. */
  newest: readonly Attempt[];
  /** Path, or a commit; null while there is none. */
  lastDurableArtifact: string | null;
  /** Why a queued job does not begin, when its place in the queue is not the reason. */
  waitsFor: string | null;
}

function actionOf(job: Job, facts: JobFacts): NextSafeAction {
  if (facts.waitsFor !== null && !job.frozen) return 'free_disk';
  return facts.damage === null ? nextSafeAction(job) : 'inspect_quarantine';
}

function nameSetAside({ step }: Job, { setAside }: JobFacts): string | null {
  const name = step?.aside?.name ?? null;
  return name === null ? null : join(setAside, name);
}

/** Returns the job as the contract shows it. */
export function presentJob(job: Job, facts: JobFacts): JobView {
  return {
    id: job.id,
    number: job.number,
    repository: job.repository,
    repositories: repositoriesOf(job),
    prompt: facts.prompt,
    packet: facts.packet,
    packetSha256: job.packet === true ? job.promptSha256 : null,
    agent: job.agent,
    pipeline: job.pipeline,
    state: job.state,
    stage: job.stage,
    outcome: job.outcome,
    reason: job.reason,
    frozen: job.frozen,
    priority: job.priority,
    after: job.after ?? [],
    queueSeq: job.queueSeq,
    phase: facts.phase,
    waitingFor: facts.waitingFor,
    queuePosition: facts.queuePosition,
    estimate: facts.estimate,
    attempts: job.attempts,
    sessionId: job.sessionId,
    workspace: job.workspaceState === 'ready' ? facts.workspace : null,
    workspaceSetAside: nameSetAside(job, facts),
    workspaceRemovedAt: showTime(job.workspaceRemovedAt),
    workspaceKeptUntil: showTime(facts.kept.workspaceAt),
    keptUntil: showTime(facts.kept.jobAt),
    outputBytes: Math.max(job.outputBytes, isActive(job.state) ? (facts.outputBytes ?? 0) : 0),
    outputFile: facts.outputFile,
    sentinelFile: facts.sentinelFile,
    exitCode: job.exitCode,
    blocker: facts.waitsFor ?? job.blocker ?? facts.damage,
    nextSafeAction: actionOf(job, facts),
    recovery: recoveryOf(job, facts.newest),
    pendingAttempt: facts.newest.findLast(({ state }) => state === 'intended' || state === 'running')?.id ?? null,
    lastDurableArtifact: facts.lastDurableArtifact,
    createdAt: showTime(job.createdAt),
    queuedAt: showTime(job.queuedAt),
    startedAt: showTime(job.startedAt),
    finishedAt: showTime(job.finishedAt),
    deadlineAt: showTime(job.deadlineMs === null ? null : job.createdAt + job.deadlineMs),
    version: job.version,
  };
}
