/** Acceptance: the job, its prompt and its idempotency key become durable together. */
import { fail } from '../../kernel/errors.ts';
import { sha256 } from '../../kernel/hash.ts';
import { makeId } from './ids.ts';
import { MAX_PROMPT_BYTES, MAX_REPOSITORIES, type Job } from '../../lifecycle/job.ts';
import { FIRST_STEP } from '../../lifecycle/stage.ts';
import { standBehind } from '../../lifecycle/dependency.ts';
import { surfaceOf } from '../../lifecycle/surface.ts';
import type { NewJob } from '../store.ts';
import { tellOfJob } from './deliveries.ts';
import { listDependencies, resolveAfter } from './dependencies.ts';
import { JOBS, STORED_JOBS, type JobRecord } from './entities.ts';
import { readPlan } from './read-plan.ts';
import { insertRecord, toRecord, withoutNulls } from './records.ts';
import { toJob, writeHead } from './jobs.ts';
import { GENESIS, appendEvent } from './journal.ts';
import type { Session } from './session.ts';

/** Throws `bad-prompt` for a prompt that could not be stored byte for byte. */
function checkPrompt(prompt: string): void {
  const bytes = Buffer.byteLength(prompt);
  if (bytes === 0) throw fail('bad-prompt', 'the prompt is empty');
  if (bytes > MAX_PROMPT_BYTES)
    throw fail('bad-prompt', `the prompt has ${bytes} bytes, more than ${MAX_PROMPT_BYTES}`);
  if (prompt.includes('\0')) throw fail('bad-prompt', 'the prompt contains a NUL character');
  if (!prompt.isWellFormed()) throw fail('bad-prompt', 'the prompt contains half of a surrogate pair');
}

/** Throws `repository-not-found`, or `bad-request` for a list no job can have. */
function checkRepositories(session: Session, names: readonly string[]): void {
  if (new Set(names).size !== names.length) throw fail('bad-request', 'a repository is named twice');
  if (names.length > MAX_REPOSITORIES) throw fail('bad-request', `more than ${MAX_REPOSITORIES} repositories`);
  for (const name of names) {
    if (session.sql.get('SELECT 1 FROM repositories WHERE name = $1', name) === null) {
      throw fail('repository-not-found', `there is no repository "${name}"`);
    }
  }
}

function findReplay(session: Session, input: NewJob): Job | null {
  if (input.idempotency === null) return null;
  const row = session.sql.get(
    `SELECT ${JOBS.select}, request_sha256 FROM jobs WHERE principal = $1 AND idempotency_key = $2`,
    input.principal,
    input.idempotency.key,
  );
  if (row === null) return null;
  const first = toJob(toRecord(JOBS, row));
  if (row['request_sha256'] !== input.idempotency.requestSha256) {
    throw fail('idempotency-conflict', `the key already belongs to job ${first.number}, made by another request`);
  }
  return first;
}

/** Accepts a job, or returns the one an earlier request with the same key made. */
export function acceptJob(session: Session, input: NewJob): { job: Job; replayed: boolean } {
  const replay = findReplay(session, input);
  if (replay !== null) return { job: replay, replayed: true };
  checkPrompt(input.prompt);
  checkRepositories(session, [input.repository, ...(input.others ?? [])]);
  const promptSha256 = sha256(input.prompt);
  session.sql.run(
    'INSERT INTO prompts (sha256, body) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING',
    promptSha256,
    input.prompt,
  );
  const record = makeRecord(session, input, promptSha256);
  const { key: idempotencyKey = null, requestSha256 = null } = input.idempotency ?? {};
  const stored = { ...record, idempotencyKey, requestSha256 };
  const head = appendEvent(
    session,
    {
      actor: input.principal,
      kind: 'job.accept',
      subject: record.id,
      jobId: record.id,
      attemptId: null,
      data: withoutNulls(stored),
    },
    GENESIS,
  );
  insertRecord(session.sql, STORED_JOBS, { record: stored, head });
  session.jobs.set(record.id, { record, head });
  session.counters.moveJob(record, null, record.state);
  const told = tellOfJob(session, { job: record, before: null, head });
  if (told !== head) writeHead(session, { record, head }, told);
  return { job: toJob(record), replayed: false };
}

/** What it must pass is fixed here, in the transaction of its acceptance. Throws `bad-request`. */
function beginPipeline(session: Session, input: NewJob): Pick<JobRecord, 'plan' | 'step'> {
  if (input.pipeline === 'implement') return { plan: null, step: null };
  if ((input.others ?? []).length > 0) {
    throw fail('bad-request', 'the pipeline "full" is for jobs of one repository; this one names several');
  }
  return { plan: readPlan(session, input.repository), step: FIRST_STEP };
}

/** Of several repositories nobody could say to which of them a path belongs. */
function surfaceFor({ surface = [], others = [] }: NewJob): string[] | null {
  const patterns = others.length > 0 ? [] : surfaceOf(surface);
  return patterns.length === 0 ? null : patterns;
}

/** Whom it waits for, and whether it may begin: decided here, in the transaction of its acceptance. */
function beginWaiting(
  session: Session,
  input: NewJob,
): Pick<JobRecord, 'after' | 'awaits' | 'state' | 'reason' | 'blocker'> {
  const after = resolveAfter(session, input.after ?? []);
  const { open, failure } = standBehind(listDependencies(session, after));
  const named = { after: after.length === 0 ? null : after, awaits: open.length === 0 ? null : open };
  if (input.weak !== undefined) {
    return { ...named, awaits: null, state: 'blocked', reason: 'weak_packet', blocker: input.weak };
  }
  const free = { ...named, reason: null, blocker: null };
  if (!input.start) return { ...free, state: 'created' };
  if (failure !== null) return { ...named, state: 'blocked', reason: 'dependency_failed', blocker: failure };
  return { ...free, state: open.length === 0 ? 'queued' : 'waiting' };
}

function makeRecord(session: Session, input: NewJob, promptSha256: string): JobRecord {
  const id = makeId('job', session.at);
  const begun = beginWaiting(session, input);
  const isQueued = begun.state === 'queued';
  return {
    number: session.counters.next('jobNumber'),
    id,
    repository: input.repository,
    others: input.others === undefined || input.others.length === 0 ? null : input.others,
    otherBases: null,
    after: begun.after,
    awaits: begun.awaits,
    overtaken: null,
    promptSha256,
    packet: input.packet === true ? true : null,
    surface: surfaceFor(input),
    command: input.command,
    agent: input.agent,
    pipeline: input.pipeline,
    stage: 'implement',
    ...beginPipeline(session, input),
    state: begun.state,
    outcome: null,
    epoch: 1,
    frozen: false,
    priority: input.priority,
    fence: 0,
    attempts: 0,
    onInterrupt: input.onInterrupt,
    sessionId: null,
    workspaceState: 'none',
    workspaceRemovedAt: null,
    baseCommit: null,
    transcriptSha256: null,
    outputBytes: 0,
    cancelRequestedAt: null,
    limits: input.limits,
    deadlineMs: input.deadlineMs,
    principal: input.principal,
    lineage: id,
    reason: begun.reason,
    blocker: begun.blocker,
    exitCode: null,
    exitSignal: null,
    queueSeq: isQueued ? session.counters.next('queueSeq') : null,
    createdAt: session.at,
    queuedAt: isQueued ? session.at : null,
    startedAt: null,
    finishedAt: null,
    claimedBy: null,
    callbacks: input.callbacks === undefined || input.callbacks.length === 0 ? null : input.callbacks,
    version: 1,
  };
}
