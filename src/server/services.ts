import { join } from 'node:path';
import type { AttemptRef, Services } from '../api/services.ts';
import type { StreamStats } from '../api/stream-stats.ts';
import type { AttemptContext } from '../attempts/context.ts';
import type { Callbacks } from '../callbacks/callbacks.ts';
import type { SecretKeeper } from '../callbacks/secrets.ts';
import { endLeftovers } from '../attempts/end-leftovers.ts';
import { shutDamagedLocks } from '../attempts/shut-damaged-locks.ts';
import { isAlive } from '../keeper/host-identity.ts';
import { endOperation } from '../keeper/processes.ts';
import { readEvidence } from '../attempts/stages/evidence-files.ts';
import { renderTranscript } from '../attempts/transcript.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import { delay } from '../kernel/backoff.ts';
import { fail } from '../kernel/errors.ts';
import { baseOf, type Job } from '../lifecycle/job.ts';
import { workspaceParts, type WorkspacePart } from '../lifecycle/job-workspace.ts';
import type { Admission } from '../queue/admission.ts';
import type { BackupKeeper } from '../recovery/backup/backup-keeper.ts';
import type { OrphanKeeper } from '../recovery/orphan-keeper.ts';
import { keptUntil } from '../lifecycle/retention.ts';
import type { RetentionKeeper } from '../recovery/retention/retention-keeper.ts';
import type { ResourceKeeper } from '../recovery/resource-keeper.ts';
import { finishRemovals } from '../recovery/finish-removals.ts';
import type { Statistics } from '../statistics/statistics.ts';
import { checkWorkspace, checkWorkspaceRoot } from '../workspace/check-workspace.ts';
import { diffWorkspace } from '../workspace/observe.ts';
import { diffSavedTree, findSavedTree } from '../workspace/saved-trees.ts';
import type { Config } from './config.ts';
import { runDoctor } from './doctor.ts';
import { findProgram } from './find-program.ts';
import { readHeartbeat } from './read-heartbeat.ts';
import { isStalled } from './is-stalled.ts';
import type { Metrics } from './metrics.ts';
import type { RepositoryKeeper } from './repositories.ts';
import type { ServerState } from './state.ts';
import type { Tokens } from './tokens.ts';
import { checkPushTarget, createResults } from './results.ts';
import { createUploads } from './uploads.ts';
import { VERSION } from './version.ts';
import { createOutputWatch } from './watch-output.ts';

interface ServicesInput {
  ctx: AttemptContext;
  config: Config;
  tokens: Tokens;
  repositories: RepositoryKeeper;
  metrics: Metrics;
  statistics: Statistics;
  callbacks: Callbacks;
  secrets: SecretKeeper;
  state: ServerState;
  admission: Admission;
  resources: ResourceKeeper;
  orphans: OrphanKeeper;
  streamStats: StreamStats;
  retention: RetentionKeeper;
  backups: BackupKeeper;
}

/** Fills the port of the API with the parts of this server. */
export function createServices(input: ServicesInput): Services {
  const { ctx, config, state, admission } = input;
  const runDirectory = (attempt: AttemptRef): string => ctx.home.runDirectory(attempt.jobId, attempt.number);
  return {
    store: ctx.store,
    clock: ctx.clock,
    home: ctx.home,
    version: VERSION,
    bootId: ctx.boot,
    authenticate: (token) => input.tokens.authenticate(token),
    readiness: () => ({ ready: state.ready, phase: state.phase, degraded: listDegraded(state, admission) }),
    admission: () => admission.look(),
    defaults: { agent: config.defaultAgent, limits: config.limits.attempt, sessionMs: config.accounts.sessionMs },
    registerRepository: (repository) => input.repositories.register(repository),
    removeRepository: (name, actor) => removeRepository(ctx, name, actor),
    validateJob: async (job) => validateJob(ctx, job),
    validateReviewers: (pipeline) => {
      for (const { agent } of pipeline?.reviewers ?? []) ctx.agents.get(agent);
    },
    validatePush: checkPushTarget,
    acceptCallback: (url) => input.callbacks.accept(url),
    callbackSecret: () => input.secrets.read(),
    rotateCallbackSecret: (actor) => input.callbacks.rotateSecret(actor),
    agentNames: () => ctx.agents.names(),
    clearLock: (key, actor) => clearLock(ctx, key, actor),
    removeJob: (job, actor) => removeJob(ctx, job, actor),
    cancelJob: (job, actor) => cancelJob(ctx, job, actor),
    releaseJob: (reference, actor) => releaseJob(ctx, reference, actor),
    diffJob: (job) => diffJob(ctx, job),
    ...createResults(ctx),
    ...createUploads(ctx, { perFile: config.limits.uploadBytes, perJob: config.limits.uploadBytesPerJob }),
    renderTranscript: (job) => renderNow(ctx, job),
    readEvidence: (job, sha256) => readEvidence(ctx.home.evidence(job.id), sha256),
    countTranscriptMismatch: (job) => countMismatch(ctx, input.metrics, job),
    outputPath: (attempt, stream) =>
      join(runDirectory(attempt), stream === 'stdout' ? RUN_FILES.output : RUN_FILES.stderr),
    sentinelPath: (attempt) => join(runDirectory(attempt), RUN_FILES.sentinel),
    readHeartbeat: (attempt) => readHeartbeat(ctx, attempt),
    isStalled: (attempt) => isStalled(ctx, attempt),
    ...createLive(input.streamStats, runDirectory),
    currentReport: () => state.report,
    statistics: input.statistics,
    hostLimit: config.limits.agentsPerHost,
    doctor: (options) => {
      const retention = input.retention.state();
      const { degraded } = state.report;
      return runDoctor(ctx, { ...options, admission, orphans: input.orphans, retention, degraded });
    },
    keptUntil: (job) => keptUntil(job, config.retention, input.retention.state().witness.aheadMs),
    metrics: () => input.metrics.render(),
    metricValues: () => input.metrics.list(),
    ...keptServices(input),
    registerResource: (resource) => input.resources.register(resource),
    removeResource: (resource, actor) => input.resources.remove(resource, actor),
  };
}

function countMismatch({ log }: AttemptContext, metrics: Metrics, job: Job): void {
  log.error(`the transcript of job ${job.number} is not the one that was recorded`, { job: job.id });
  metrics.countTranscriptMismatch();
}

/** What the event streams need. */
function createLive(
  streamStats: StreamStats,
  runDirectory: (attempt: AttemptRef) => string,
): Pick<Services, 'streamStats' | 'watchOutput'> {
  const output = createOutputWatch();
  return {
    streamStats,
    watchOutput: (attempt, _stream, onGrowth) => output.watch(runDirectory(attempt), onGrowth),
  };
}

/** What looks after the home as a whole. */
function keptServices({
  backups,
  orphans,
}: {
  backups: BackupKeeper;
  orphans: OrphanKeeper;
}): Pick<Services, 'beginBackup' | 'awaitBackup' | 'progressOfBackup' | 'listOrphans' | 'repairOrphans'> {
  return {
    beginBackup: (request) => backups.begin(request),
    awaitBackup: (id, ms) => backups.wait(id, ms),
    progressOfBackup: (id) => backups.progressOf(id),
    listOrphans: (limit) => orphans.list(limit),
    repairOrphans: (request) => orphans.repair(request),
  };
}

async function* renderNow(ctx: AttemptContext, job: Job): AsyncGenerator<string> {
  yield* renderTranscript(ctx, { job, attempts: await ctx.store.listAttempts(job.id) });
}

/** Names what does not work as it should now, by resource. */
function listDegraded(state: ServerState, admission: Admission): string[] {
  const isOpen = (admission.current()?.level ?? 'ok') === 'ok';
  return isOpen ? state.degraded : [...state.degraded, 'disk'];
}

/** The row goes first, refused while jobs are unfinished, and says that the files are due; then the files. */
async function removeRepository(ctx: AttemptContext, name: string, actor: string): Promise<void> {
  const repository = await ctx.store.getRepository(name);
  await ctx.store.removeRepository(name, actor);
  if (repository !== null) await finishRemovals(ctx, [repository.id]);
}

/** Time a client waits for the files of a removed job to go, milliseconds; they go on going after it. */
const REMOVAL_WAIT_MS = 5000;

async function removeJob(ctx: AttemptContext, job: Job, actor: string): Promise<void> {
  await ctx.store.removeJob({ id: job.id, actor });
  const waited = new AbortController();
  const files = finishRemovals(ctx, [job.id]).finally(() => waited.abort());
  await Promise.race([files, delay(REMOVAL_WAIT_MS, waited.signal).catch(() => undefined)]);
}

/** Refuses at submission what could only fail later: an unknown agent, a bad scenario, a command that is not installed. */
function validateJob(ctx: AttemptContext, job: { agent: string; prompt: string; command: string[] | null }): void {
  const adapter = ctx.agents.get(job.agent);
  adapter.validate(job);
  const program = adapter.versionCommand(ctx.agents.settings(job.agent))?.[0];
  if (program !== undefined && findProgram(program) === null) {
    throw fail('agent-missing', `agent ${job.agent} needs "${program}", which is not in PATH`, {
      hint: `Install it, or set agents.${job.agent}.command in holdfast.config.json.`,
    });
  }
}

/** Nothing of it may live when its next attempt starts: the damaged evidence cannot tell, so all of it is ended first. */
async function releaseJob(ctx: AttemptContext, reference: string, actor: string): Promise<Job> {
  const job = await ctx.store.findJob(reference);
  if (job === null) throw fail('job-not-found', `there is no job "${reference}"`);
  if (job.state === 'quarantined') {
    await endLeftovers(ctx, job.id);
  }
  return ctx.store.releaseJob(job.id, actor);
}

/** Nobody follows a quarantined job: what may live of it is ended here, before the record says that nothing does. */
async function cancelJob(ctx: AttemptContext, job: Job, actor: string): Promise<Job> {
  if (job.state === 'quarantined') await endLeftovers(ctx, job.id);
  return ctx.store.requestCancel(job.id, actor);
}

async function diffJob(ctx: AttemptContext, job: Job): Promise<string> {
  // An agent may have put a link in its place: what lies behind that is not for a diff to show.
  const isAlone = job.others === null || job.workspaceState !== 'ready';
  const unsafe = isAlone ? null : await checkWorkspaceRoot(ctx.home.workspace(job.id));
  if (unsafe !== null) throw fail('workspace-unsafe', unsafe);
  const diffs: string[] = [];
  for (const part of workspaceParts(ctx.home, job)) diffs.push(await diffPart(ctx, job, part));
  return diffs.join('');
}

/** One repository of a job; of several, its paths begin with its name. */
async function diffPart(ctx: AttemptContext, job: Job, part: WorkspacePart): Promise<string> {
  const repository = await ctx.store.getRepository(part.repository);
  if (repository === null) throw fail('repository-not-found', `"${part.repository}" is not registered any more`);
  const baseCommit = baseOf(job, part.repository);
  if (baseCommit === null) return '';
  const mirrorDir = ctx.home.mirror(repository.id);
  const workspaceDir = part.directory;
  const common = { mirrorDir, baseCommit, prefix: part.prefix ?? undefined, op: `${job.id}.diff` };
  if (job.workspaceState !== 'ready') {
    // The workspace is gone, or is made anew; what was in it last was saved first.
    const commit = await findSavedTree(mirrorDir, job.id);
    return commit === null ? '' : diffSavedTree({ ...common, jobId: job.id, commit });
  }
  const unsafe = await checkWorkspace(workspaceDir, mirrorDir);
  if (unsafe !== null) throw fail('workspace-unsafe', unsafe);
  return diffWorkspace({ ...common, workspaceDir });
}

/**
 * Takes a lock away for an operator, once nothing lives that may be using it, and puts its repository back to use.
 * Throws `lock-held` while its holder or a child of its operation lives, `not-found`.
 */
async function clearLock(ctx: AttemptContext, key: string, actor: string): Promise<void> {
  const lock = (await ctx.store.listLocks()).find((one) => one.key === key);
  const damaged = (await ctx.store.listDamagedLocks()).some((one) => one.key === key);
  if (lock !== undefined) {
    const isOurs = lock.boot === ctx.boot && !damaged;
    if (isOurs || (lock.boot !== ctx.boot && isAlive(lock.holder)))
      throw fail('lock-held', `process ${lock.holder.pid} holds ${key} for ${lock.operation} and is alive`);
    const { left } = await endOperation(lock.operation);
    if (left.length > 0)
      throw fail('lock-held', `${left.map((one) => one.pid).join(', ')} of ${lock.operation} cannot be ended`);
  }
  // What was looked at is what goes: somebody may have taken it since.
  await ctx.store.clearLock({ key, seen: lock?.fence ?? null, actor });
  ctx.log.warn(`lock ${key} was cleared by ${actor}`);
  await shutDamagedLocks(ctx);
}
