/** The domain's nouns as the contract shows them: times as ISO 8601, nothing added, nothing left out. */
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Repository } from '../lifecycle/repository.ts';
import type { Account, Boot, JournalEvent, TokenRow } from '../store/store.ts';
import type { DamagedLock, Lock } from '../store/waiting-store.ts';
import type { AccountView } from './contract/account.ts';
import type { AttemptView } from './contract/attempt.ts';
import { showTime } from './contract/common.ts';
import type { EventView } from './contract/event.ts';
import type { LockView } from './contract/queue.ts';
import type { BootView } from './contract/recovery.ts';
import type { RepositoryView } from './contract/repository.ts';
import type { TokenView } from './contract/token.ts';

/** Returns the view of a repository. */
export function presentRepository(repository: Repository): RepositoryView {
  return {
    id: repository.id,
    name: repository.name,
    source: repository.source,
    sourceKind: repository.sourceKind,
    base: repository.base,
    verify: repository.verify,
    pipeline: repository.pipeline,
    push: repository.push,
    merge: repository.merge,
    trusted: repository.trusted,
    limits: { concurrency: repository.concurrency },
    command: repository.command,
    cloneState: repository.cloneState,
    unavailable: repository.unavailable,
    trouble:
      repository.trouble === null ? null : { ...repository.trouble, retryAt: showTime(repository.trouble.retryAt) },
    createdAt: showTime(repository.createdAt),
    updatedAt: showTime(repository.updatedAt),
    version: repository.version,
  };
}

/** Returns the view of an attempt, with what its row does not hold. */
export function presentAttempt(attempt: Attempt, facts: { outputFile: string; stalled: boolean }): AttemptView {
  return {
    id: attempt.id,
    jobId: attempt.jobId,
    number: attempt.number,
    state: attempt.state,
    stage: attempt.stage,
    gate: attempt.gate,
    task: attempt.task,
    epoch: attempt.epoch,
    fence: attempt.fence,
    mode: attempt.mode,
    sessionId: attempt.sessionId,
    limits: attempt.limits,
    boot: attempt.boot,
    agent: attempt.agent,
    keeper: attempt.keeper,
    verdict: attempt.verdict,
    exitCode: attempt.exitCode,
    exitSignal: attempt.exitSignal,
    stoppedBy: attempt.stoppedBy,
    outputBytes: attempt.outputBytes,
    outputSha256: attempt.outputSha256,
    outputFile: facts.outputFile,
    stalled: facts.stalled,
    evidenceLevel: attempt.evidenceLevel,
    note: attempt.note,
    intendedAt: showTime(attempt.intendedAt),
    startedAt: showTime(attempt.startedAt),
    endedAt: showTime(attempt.endedAt),
    version: attempt.version,
  };
}

/** What identifies a token or a password in the journal, by kind of event. */
const SECRET_FIELDS: Record<string, string[]> = { 'token.add': ['sha256'], 'account.add': ['secretSha256'] };

/** Returns the view of a journal row; what identifies a token stays inside. */
export function presentEvent(event: JournalEvent): EventView {
  const { seq, at, actor, kind, subject, jobId, attemptId, data, hash } = event;
  const shown = { ...data };
  for (const field of SECRET_FIELDS[kind] ?? []) shown[field] = '***';
  return { seq, at: showTime(at), actor, kind, subject, jobId, attemptId, data: shown, hash };
}

/** Returns the view of a lock. */
export function presentLock(lock: Lock): LockView {
  const { key, boot, holder, operation, jobId, acquiredAt, fence } = lock;
  return { key, damaged: null, boot, holder, operation, jobId, acquiredAt: showTime(acquiredAt), fence };
}

/** Returns the view of a lock of which nothing but its key can be believed. */
export function presentDamagedLock({ key, why }: DamagedLock): LockView {
  const unknown = { boot: null, holder: null, operation: null, jobId: null, acquiredAt: null, fence: null };
  return { key, damaged: why, ...unknown };
}

/** Returns the view of one start of the server. */
export function presentBoot(boot: Boot): BootView {
  return {
    bootId: boot.id,
    previousBootId: boot.previousId,
    previousStop: boot.previousStop,
    hostBoot: boot.hostBoot,
    pid: boot.pid,
    startedAt: showTime(boot.startedAt),
    readyAt: showTime(boot.readyAt),
    stoppedAt: showTime(boot.stoppedAt),
    report: boot.report,
  };
}

/** Returns the view of a token: everything but the token. */
export function presentToken({ id, name, createdAt, revokedAt, accountId, expiresAt }: TokenRow): TokenView {
  const times = { createdAt: showTime(createdAt), revokedAt: showTime(revokedAt), expiresAt: showTime(expiresAt) };
  return { id, name, accountId, ...times };
}

/** Returns the view of an account: everything but what is kept of its password. */
export function presentAccount({ id, name, createdAt, revokedAt }: Account): AccountView {
  return { id, name, createdAt: showTime(createdAt), revokedAt: showTime(revokedAt) };
}
