import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Invocation, NonEmptyString } from '../agents/adapter.ts';
import { continuationPrompt, nextRoundPrompt, nonEmpty } from '../agents/continuation.ts';
import { buildAgentEnvironment } from '../keeper/environment.ts';
import { launchKeeper } from '../keeper/launch.ts';
import type { Spec } from '../keeper/protocol.ts';
import { prepareRunDirectory } from '../keeper/run-directory.ts';
import { makeDirectory, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { sha256 } from '../kernel/hash.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import { repositoriesOf, type Job } from '../lifecycle/job.ts';
import { agentOf } from '../lifecycle/agent-of.ts';
import { isGateCommand, isWork } from '../lifecycle/stage.ts';
import { findSession } from './choose-session.ts';
import type { AttemptContext } from './context.ts';
import { argvOf, askOf, type Question } from './stages/ask.ts';
import { readSummary } from './read-summary.ts';

/** Time between asking an agent to stop and killing it, milliseconds. */
const GRACE_MS = 10_000;

/**
 * Starts the next attempt of a job whose workspace is ready: intent in the store, run directory, keeper. Returns once
 * the keeper is on its way; what became of it is for the evidence to say. Throws `keeper-failed` when it cannot be
 * launched at all: the attempt is then still to be judged, not assumed away.
 */
export async function startAttempt(ctx: AttemptContext, ready: Job): Promise<{ job: Job; attempt: Attempt }> {
  const accepted = await readPrompt(ctx, ready);
  const session = await chooseSession(ctx, ready);
  const { job, attempt } = await ctx.store.intendAttempt({
    jobId: ready.id,
    fence: ready.fence,
    mode: session.mode,
    sessionId: session.id,
    model: session.model,
    boot: ctx.boot,
  });
  failpoint('attempt.after-intent');
  if (session.mode === 'cold' && session.id !== null) {
    ctx.log.info(`session record job=${job.id} session=${session.id} model=${session.model ?? 'default'}`);
  }
  ctx.log.info(`spawn mode=${session.mode} job=${job.id} session=${session.id ?? 'none'}`, {
    job: job.id,
    attempt: attempt.number,
  });
  const runDir = ctx.home.runDirectory(job.id, attempt.number);
  const secrets = secretsOf(ctx, attempt, job);
  await prepareRunDirectory({
    runDir,
    attemptId: attempt.id,
    spec: await buildSpec(ctx, { job, attempt, accepted }),
    ...(secrets === undefined ? {} : { secrets }),
  });
  failpoint('attempt.after-spec');
  return { job, attempt };
}

/** The text as it was accepted; a damaged one is never run. Throws `record-corrupt`. */
async function readPrompt(ctx: AttemptContext, job: Job): Promise<string> {
  const prompt = await ctx.store.getPrompt(job.promptSha256);
  if (prompt !== null && sha256(prompt) === job.promptSha256) return prompt;
  throw fail('record-corrupt', `the prompt of job ${job.number} is missing or is not the one that was accepted`);
}

/** Launches the keeper of a started attempt. */
export async function launchAttempt(ctx: AttemptContext, attempt: Attempt): Promise<void> {
  await launchKeeper({
    runDir: ctx.home.runDirectory(attempt.jobId, attempt.number),
    attemptId: attempt.id,
    ...(ctx.failpoints === undefined ? {} : { failpoints: ctx.failpoints }),
    ...(ctx.keeperCommand === undefined ? {} : { keeperCommand: ctx.keeperCommand }),
  });
  failpoint('attempt.after-launch');
}

/**
 * Warm where the session of the job can be taken up; else cold, with a fresh id where the id is ours to give: an id that
 * may have been used is never used for a start again.
 */
async function chooseSession(ctx: AttemptContext, job: Job): Promise<Session> {
  const agent = agentOf(job, { stage: job.stage, gate: job.step?.gate ?? null });
  const { capabilities } = ctx.agents.get(agent);
  const model = ctx.agents.settings(agent).model ?? null;
  const found = findSession({
    ...job,
    task: job.step?.task ?? null,
    model,
    canResume: capabilities.resume,
    attempts: await ctx.store.listAttempts(job.id),
  });
  ctx.log.info(`session lookup job=${job.id} session=${job.sessionId ?? 'none'} resumable=${found !== null}`);
  if (found !== null) return { mode: 'warm', id: found, model };
  return { mode: 'cold', id: capabilities.assignSessionId ? randomUUID() : null, model };
}

interface Session {
  mode: 'warm' | 'cold';
  id: string | null;
  model: string | null;
}

interface Starting {
  job: Job;
  attempt: Attempt;
  /** The text of the job as it was accepted. */
  accepted: string;
}

/** Configured variables may be keys: they travel in a file of their own that is unlinked once the agent runs. */
function secretsOf(ctx: AttemptContext, attempt: Attempt, job: Job): Record<string, string> | undefined {
  return isGateCommand(attempt) ? undefined : ctx.agents.settings(agentOf(job, attempt)).env;
}

async function buildSpec(ctx: AttemptContext, starting: Starting): Promise<Spec> {
  const { job, attempt } = starting;
  const agent = agentOf(job, attempt);
  const home = isWork(attempt.stage) ? ctx.home.agentHome(job.id) : ctx.home.stageHome(job.id, attempt.number);
  const looksOnly = attempt.stage === 'review' || attempt.stage === 'merge';
  const cwd = looksOnly ? ctx.home.stageCopy(job.id, attempt.number) : ctx.home.workspace(job.id);
  const { env: asked, ...question } = await askOf(ctx, starting);
  const invocation = isGateCommand(attempt)
    ? { argv: argvOf(job, attempt), env: {}, files: [] }
    : await buildInvocation(ctx, { ...starting, agent, home, cwd, question });
  await makeDirectory(home);
  if (job.plan !== null) await makeDirectory(ctx.home.stageHome(job.id, attempt.number));
  for (const file of invocation.files) {
    const path = join(home, file.path);
    await makeDirectory(dirname(path));
    await writeDurable(path, file.content);
  }
  return {
    host: ctx.host,
    argv: invocation.argv,
    cwd,
    env: buildAgentEnvironment({
      job: job.id,
      attempt: attempt.id,
      host: ctx.host,
      url: ctx.url(),
      // What is no agent of this job has nothing to tell the server.
      token: isWork(attempt.stage) ? ctx.jobToken(job.id) : null,
      caFile: ctx.url().startsWith('https:') ? ctx.home.certificateFile : null,
      home,
      extra: { ...invocation.env, ...asked },
    }),
    secrets: secretsOf(ctx, attempt, job) !== undefined,
    limits: attempt.limits,
    mergeStderr: ctx.agents.get(agent).capabilities.mergeStderr,
    agentEngine: agent,
    sessionId: attempt.sessionId,
    graceMs: GRACE_MS,
  };
}

async function buildInvocation(
  ctx: AttemptContext,
  input: Starting & { agent: string; home: string; cwd: string; question: Question },
): Promise<Invocation> {
  const { job, attempt, agent, question } = input;
  const adapter = ctx.agents.get(agent);
  const repositories = await Promise.all(repositoriesOf(job).map((name) => ctx.store.getRepository(name)));
  const launch = {
    trusted: repositories.every((repository) => repository?.trusted === true),
    ...question,
    command: job.command,
    cwd: input.cwd,
    home: input.home,
    sessionId: attempt.sessionId,
    settings: ctx.agents.settings(agent),
  };
  if (attempt.mode === 'cold' || attempt.sessionId === null) return adapter.command(launch);
  const continuation = await sayWhatNext(ctx, input);
  return adapter.resumeCommand({ ...launch, sessionId: attempt.sessionId, continuation });
}

/** What a session is told that is taken up: what became of its last process, and what is asked for now. */
async function sayWhatNext(
  ctx: AttemptContext,
  { job, attempt, question }: Starting & { question: Question },
): Promise<NonEmptyString> {
  const attempts = await ctx.store.listAttempts(job.id);
  const last = attempts.findLast(
    (one) => one.number < attempt.number && one.state !== 'never_ran' && isWork(one.stage),
  );
  const { instructions } = question;
  if (last?.state === 'finished' && instructions !== null)
    return nextRoundPrompt({ attempt: attempt.number, instructions });
  const interrupted = continuationPrompt({
    attempt: attempt.number,
    unfinishedTool: last === undefined ? null : await findOpenTool(ctx, job, last),
    reason: 'its machine or its supervisor went down, or somebody ended it',
  });
  // Whether it was told before that process ended is not known.
  return instructions === null ? interrupted : nonEmpty(`${interrupted}\n\n---\n\n${instructions}`);
}

/** In which tool an attempt ended, as far as its output tells. */
async function findOpenTool(ctx: AttemptContext, job: Job, last: Attempt): Promise<string | null> {
  const runDir = ctx.home.runDirectory(job.id, last.number);
  const summary = await readSummary(runDir, ctx.agents.get(job.agent), last.outputBytes);
  return summary.openTools.at(-1)?.name ?? null;
}
