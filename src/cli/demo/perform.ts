import { readFile, stat } from 'node:fs/promises';
import type { AttemptView, BootView, JobView, PageView } from '../../api/contract.ts';
import { delay } from '../../kernel/backoff.ts';
import { systemClock } from '../../kernel/clock.ts';
import { isProcessAlive } from '../../server/control.ts';
import { followJob } from '../follow.ts';
import type { Play } from './play.ts';
import type { World } from './world.ts';

const POLL_MS = 20;
/** No step of the demo takes this long unless something is wrong. */
const PATIENCE_MS = 120_000;

/** What was measured; every claim of the demo is one of these. */
export interface Measurements {
  agent: string;
  serverPid: { before: number; after: number };
  agentPid: { before: number; after: number | null };
  /** Same pid and same start time. */
  sameProcess: boolean;
  /** `beforeKill` and `total` as a client received them, `whileDown` as they were added to the disk without a server. */
  bytes: { beforeKill: number; whileDown: number; total: number; lost: number; repeated: number };
  /** Starts counted by the process itself; by the attempts of the job when it cannot count. */
  starts: number;
  startsCountedBy: 'process' | 'attempts';
  exitCode: number | null;
  state: JobView['state'];
  /** What the recovery report of the second server says of the job. */
  outcome: string | null;
  /** From the start of the second server's process until it accepts work with the agent reattached. */
  reattachMs: number;
  /** The part of it the server itself spent on recovery. */
  recoveryMs: number | null;
}

/** Told what happens, as it happens. */
export interface Audience {
  printed(line: string): void;
  serverStarted(server: { url: string; pid: number }): void;
  agentStarted(pid: number): void;
  serverKilled(pid: number): void;
  stillWorking(seen: { pid: number; from: number; to: number }): void;
  reattached(seen: { serverPid: number; ms: number; outcome: string | null }): void;
}

/** A demo that is being played. */
export interface Performance {
  world: World;
  play: Play;
  audience: Audience;
  signal: AbortSignal;
}

/** Plays the demo in `world` to its end and returns what was measured. Throws when a step does not happen. */
export async function perform(stage: Performance): Promise<Measurements> {
  const { play } = stage;
  const begun = await begin(stage);
  const { received } = begun;
  const down = await killServer(stage, begun);
  const again = await restartServer(stage, begun);
  await play.release();
  const end = await received.end;
  const witness = (await play.readWitness()) ?? (await readFile(down.outputFile));
  const starts = await play.countStarts();
  const { pid, start } = begun.agent;
  return {
    agent: end.agent,
    serverPid: { before: begun.serverPid, after: again.serverPid },
    agentPid: { before: pid, after: again.agent?.pid ?? null },
    sameProcess: again.agent?.pid === pid && again.agent.start === start,
    bytes: {
      beforeKill: down.beforeKill,
      whileDown: down.whileDown,
      total: received.bytes().length,
      ...compare(witness, received.bytes()),
    },
    starts: starts ?? end.attempts,
    startsCountedBy: starts === null ? 'attempts' : 'process',
    exitCode: end.exitCode,
    state: end.state,
    outcome: again.outcome,
    reattachMs: again.reattachMs,
    recoveryMs: again.recoveryMs,
  };
}

interface Begun {
  job: JobView;
  serverPid: number;
  agent: NonNullable<AttemptView['agent']>;
  received: Received;
}

/** Starts a server and a job, and waits until the agent is well under way. */
async function begin(stage: Performance): Promise<Begun> {
  const { world, play, audience, signal } = stage;
  const server = await world.startServer();
  audience.serverStarted(server);
  await world.client.post('/v1/repositories', { name: 'greetings', source: world.repository });
  const job = await world.client.post<JobView>('/v1/jobs', { repository: 'greetings', ...play.job });
  const received = follow(stage, job);
  const watched = { signal, received };
  const agent = await poll(watched, async () => (await readAttempts(world, job)).at(-1)?.agent ?? null);
  audience.agentStarted(agent.pid);
  await poll(watched, async () => (play.isUnderWay(received.bytes()) ? true : null));
  return { job, serverPid: server.pid, agent, received };
}

/** Kills the server and watches, from the disk alone, that the agent works on. */
async function killServer(
  { world, play, audience, signal }: Performance,
  { agent, received }: Begun,
): Promise<{ outputFile: string; beforeKill: number; whileDown: number }> {
  audience.serverKilled(await world.killServer());
  const beforeKill = received.bytes().length;
  const { outputFile } = received.job();
  if (outputFile === null) throw new Error('the job names no output file');
  const from = (await stat(outputFile)).size;
  const to = await poll({ signal, received: null }, async () => {
    const { size } = await stat(outputFile);
    return size >= from + play.growthBytes ? size : null;
  });
  if (!isProcessAlive(agent)) throw new Error(`process ${agent.pid} ended together with the server`);
  audience.stillWorking({ pid: agent.pid, from, to });
  return { outputFile, beforeKill, whileDown: to - from };
}

/** Starts another server and asks it what it found. */
async function restartServer({ world, audience }: Performance, { job }: Begun) {
  const startedAt = systemClock.monotonic();
  const server = await world.startServer();
  const reattachMs = Math.round(systemClock.monotonic() - startedAt);
  const agent = (await readAttempts(world, job)).at(-1)?.agent ?? null;
  const boots = await world.client.get<PageView<BootView>>('/v1/recovery/boots');
  const report = boots.items[0]?.report ?? null;
  const outcome = report?.jobs.find((finding) => finding.id === job.id)?.outcome ?? null;
  audience.reattached({ serverPid: server.pid, ms: reattachMs, outcome });
  return { serverPid: server.pid, agent, reattachMs, outcome, recoveryMs: report?.recoveryMs ?? null };
}

/** Whether the measurements are what Holdfast promises. */
export function isProof(measured: Measurements): boolean {
  const { bytes } = measured;
  const nothingLost = bytes.lost === 0 && bytes.repeated === 0 && bytes.whileDown > 0;
  return (
    nothingLost &&
    measured.sameProcess &&
    measured.starts === 1 &&
    measured.exitCode === 0 &&
    measured.outcome === 'reattached'
  );
}

/** Returns how many of the bytes written never arrived where they belong, and how many arrived that were not written. */
export function compare(written: Buffer, received: Buffer): { lost: number; repeated: number } {
  let same = 0;
  while (same < written.length && same < received.length && written[same] === received[same]) same += 1;
  return { lost: written.length - same, repeated: received.length - same };
}

interface Received {
  bytes(): Buffer;
  job(): JobView;
  end: Promise<JobView>;
}

/** Follows the job as any client does, across the death of the server, and keeps every byte. */
function follow({ world, play, audience, signal }: Performance, job: JobView): Received {
  let bytes = Buffer.alloc(0);
  let shown = 0;
  let latest = job;
  const end = followJob({
    client: world.client,
    job,
    stream: 'stdout',
    from: { attempt: 1, offset: 0, seq: 0 },
    onlyAttempt: null,
    signal,
    onAway: () => undefined,
    onBack: () => undefined,
    onState: () => undefined,
    onOutput: async (piece) => {
      if (latest.outputFile === null) latest = await world.client.get<JobView>(`/v1/jobs/${job.id}`);
      bytes = Buffer.concat([bytes, piece.bytes]);
      for (let next = bytes.indexOf('\n', shown); next >= 0; next = bytes.indexOf('\n', shown)) {
        const line = play.show(bytes.toString('utf8', shown, next));
        if (line !== null) audience.printed(line);
        shown = next + 1;
      }
    },
  });
  // It is awaited at the end; a failure before that is noticed by `poll`.
  end.catch(() => undefined);
  return { bytes: () => bytes, job: () => latest, end };
}

async function readAttempts(world: World, job: JobView): Promise<AttemptView[]> {
  return (await world.client.get<PageView<AttemptView>>(`/v1/jobs/${job.id}/attempts`)).items;
}

/** Looks until `look` returns something. Throws when the job ends before, or after the patience is over. */
async function poll<T>(
  watched: { signal: AbortSignal; received: Received | null },
  look: () => Promise<T | null>,
): Promise<T> {
  const { signal, received } = watched;
  const until = systemClock.monotonic() + PATIENCE_MS;
  let ended: JobView | null = null;
  let failure: { error: unknown } | null = null;
  received?.end.then(
    (job) => (ended = job),
    (error: unknown) => (failure = { error }),
  );
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (failure !== null) throw (failure as { error: unknown }).error;
    if (ended !== null) throw new Error(`the job ended too early: ${describe(ended)}`);
    if (systemClock.monotonic() > until) throw new Error('the demo waited in vain; run it again with --verbose');
    await delay(POLL_MS, signal);
  }
}

function describe(job: JobView): string {
  return `${job.state}${job.exitCode === null ? '' : `, exit code ${job.exitCode}`}${job.blocker === null ? '' : `, ${job.blocker}`}`;
}
