/**
 * What the pipeline itself costs: a stage whose agent or gate does nothing, beside the bare start of such processes; and many
 * whole pipelines at once, undisturbed and with a server that is killed every five seconds, which must come to the same.
 */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventView } from '../src/api/contract/event.ts';
import type { GateView, PageView } from '../src/api/contract.ts';
import { until } from '../test/support/poll.ts';
import { World } from '../test/support/world.ts';
import { figure, median, printTable, quantile } from './table.ts';

const JOBS_ALONE = 10;
const GATES = 3;
/** Aim for what a stage costs beyond its process, milliseconds. */
const AIM_MS = 150;
const AT_ONCE = 8;
const REPOSITORIES = 8;
const KILL_EVERY_MS = 5000;
const PATIENCE_MS = 6 * 3_600_000;
/** The same job as one stage and no more: what of `implement` is not the pipeline's. */
const WITHOUT = 'no pipeline';
const RESTING = ['ready', 'completed', 'blocked', 'quarantined', 'failed', 'timed_out', 'cancelled'];

interface Event {
  kind: string;
  at: number;
  data: Record<string, unknown>;
}

/** One stage of one job, milliseconds. */
interface Stage {
  stage: string;
  /** From the end of the stage before to its own, as the journal has it. */
  wall: number;
  /** Of that: until its attempt is intended, from there to its end, and the record of it. */
  before: number;
  process: number;
  after: number;
}

async function startWorld(): Promise<World> {
  const world = await World.create();
  await mkdir(world.home.root);
  await writeFile(world.home.configFile, JSON.stringify({ limits: { agentsPerHost: AT_ONCE } }));
  await world.start();
  return world;
}

/** A keeper is a Node that starts a shell; this is one without all that makes it a keeper. */
async function bareStart(): Promise<number> {
  const began = performance.now();
  const script = "require('node:child_process').spawn('sh', ['-c', 'true'], { stdio: 'ignore', detached: true })";
  const child = spawn(process.execPath, ['--v8-pool-size=0', '-e', script], { detached: true, stdio: 'ignore' });
  await new Promise((done) => child.once('exit', done));
  return performance.now() - began;
}

async function timeline(world: World, id: string): Promise<Event[]> {
  const { items } = (await world.api('GET', `/v1/jobs/${id}/timeline?limit=200`)).body as PageView<EventView>;
  return items.map(({ kind, at, data }) => ({ kind, at: Date.parse(at), data }));
}

/** What ends a stage; the last one ends a job that has none. */
const STAGE_ENDS = ['job.advance', 'job.hand_off', 'job.complete'];

/** Splits the journal of a job where a stage ended; its first stage is called `first`. */
function splitStages(events: readonly Event[], first: string): Stage[] {
  const stages: Stage[] = [];
  let stage = first;
  let began = events[0]?.at ?? 0;
  let intended: number | null = null;
  let ended: number | null = null;
  for (const { kind, at, data } of events) {
    if (kind === 'attempt.intend') intended = at;
    if (kind === 'attempt.finish') ended = at;
    if (!STAGE_ENDS.includes(kind)) continue;
    const [from, to] = [intended ?? at, ended ?? at];
    stages.push({ stage, wall: at - began, before: from - began, process: to - from, after: at - to });
    stage = typeof data['stage'] === 'string' ? data['stage'] : stage;
    began = at;
    intended = null;
    ended = null;
  }
  return stages;
}

async function benchStages(): Promise<void> {
  await using world = await startWorld();
  // Each is a gate of its own, and none does anything.
  const verify = Array.from({ length: GATES }, (_, n) => ['sh', '-c', `exit 0 # ${n}`]);
  await world.register({ verify });
  const script = 'echo x > f && git add f && git -c user.name=b -c user.email=b@localhost commit -qm f';
  const stages: Stage[] = [];
  const bare: number[] = [];
  for (let n = 0; n <= JOBS_ALONE; n++) {
    for (const pipeline of ['full', undefined] as const) {
      const job = await world.submitShell(script, pipeline === undefined ? {} : { pipeline });
      const { state, blocker } = await world.awaitState(job.id, ...RESTING);
      if (state !== (pipeline === undefined ? 'completed' : 'ready')) throw new Error(`it is ${state}: ${blocker}`);
      // The first ones clone.
      if (n === 0) continue;
      stages.push(...splitStages(await timeline(world, job.id), pipeline === undefined ? WITHOUT : 'implement'));
    }
    bare.push(await bareStart());
  }
  const start = median(bare);
  const rows = [WITHOUT, 'implement', 'verify', 'handoff'].map((name) => {
    const of = stages.filter((one) => one.stage === name);
    const part = (key: 'wall' | 'before' | 'process' | 'after'): number => median(of.map((one) => one[key]));
    const overhead = part('wall') - (name === 'handoff' ? 0 : start);
    const p90 = quantile(
      of.map((one) => one.wall),
      0.9,
    );
    return [name, ...[part('wall'), p90, part('before'), part('process'), part('after'), start, overhead].map(figure)];
  });
  printTable(
    `A stage that does nothing, ms (aim: below ${AIM_MS} beyond the bare start of its process; every job is fetched for and gets a workspace)`,
    ['stage', 'wall', 'p90', 'preparing', 'process', 'recording', 'bare start', 'beyond it'],
    rows,
  );
}

/** Every fourth job fails its gate once. */
function scenarioOf(world: World, n: number): string {
  const testify = { tool: { argv: ['sh', '-c', `echo "$HOLDFAST_ATTEMPT" >> '${join(world.witness, 'attempts')}'`] } };
  const write = (content: string): object[] => [
    testify,
    { write: { path: `answer-${n}`, content } },
    { commit: 'Answer' },
  ];
  return JSON.stringify({ steps: write(n % 4 === 0 ? 'bad' : 'good'), tasks: { fix: [write('good')] } });
}

interface Played {
  seconds: number;
  kills: number;
  /** End and ledger of each job. */
  ends: string[];
  startedTwice: number;
}

async function playMany(jobs: number, killing: boolean): Promise<Played> {
  await using world = await startWorld();
  const review = [[{ verdict: { score: 90 } }]];
  const reviewers = [{ name: 'r', agent: 'scripted', instructions: JSON.stringify({ steps: [], tasks: { review } }) }];
  const settings = {
    verify: [['sh', '-c', '! grep -q bad answer-*']],
    pipeline: { reviewers },
    limits: { concurrency: AT_ONCE },
  };
  for (let n = 0; n < REPOSITORIES; n++) await world.registerAnother(`r${n}`, settings);
  const began = performance.now();
  const ids: string[] = [];
  for (let n = 0; n < jobs; n++) {
    const prompt = scenarioOf(world, n);
    ids.push(
      (await world.submit({ repository: `r${n % REPOSITORIES}`, agent: 'scripted', pipeline: 'full', prompt })).id,
    );
  }
  const end = new AbortController();
  const killer = killing ? killAgainAndAgain(world, end.signal) : Promise.resolve(0);
  try {
    for (const id of ids)
      await until(`job ${id} rests`, () => rests(world, id), { deadlineMs: PATIENCE_MS, everyMs: 100 });
  } finally {
    end.abort();
  }
  const kills = await killer;
  const seconds = (performance.now() - began) / 1000;
  const ends: string[] = [];
  for (const id of ids) {
    const job = await world.getJob(id);
    const { items } = (await world.api('GET', `/v1/jobs/${id}/gates`)).body as PageView<GateView>;
    const ledger = items.map(({ epoch, stage, result }) => `${epoch} ${stage} ${result}`).join(', ');
    ends.push(`${job.state} ${job.reason ?? ''}: ${ledger}`);
  }
  const starts = await world.readWitness('attempts');
  return { seconds, kills, ends, startedTwice: starts.length - new Set(starts).size };
}

/** False while there is no server to ask. */
async function rests(world: World, id: string): Promise<boolean> {
  try {
    return RESTING.includes((await world.getJob(id)).state);
  } catch {
    return false;
  }
}

/** Kills the server and starts another until told otherwise; returns how often. */
async function killAgainAndAgain(world: World, signal: AbortSignal): Promise<number> {
  for (let kills = 0; ; kills++) {
    await sleep(KILL_EVERY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return kills;
    await world.kill();
    await world.start();
  }
}

/** Prints what a stage costs, and how many whole pipelines of `jobs` end in a second, with kills and without. */
export async function benchPipeline({ jobs }: { jobs: number }): Promise<void> {
  await benchStages();
  if (jobs === 0) return;
  const calm = await playMany(jobs, false);
  const killed = await playMany(jobs, true);
  const different = killed.ends.filter((one, n) => one !== calm.ends[n]).length;
  const row = (name: string, { seconds, kills, ends, startedTwice }: Played, differ: string): string[] => {
    const good = ends.filter((one) => one.startsWith('ready ')).length;
    return [
      name,
      figure(seconds),
      figure(jobs / seconds),
      String(kills),
      `${good} of ${jobs}`,
      String(startedTwice),
      differ,
    ];
  };
  printTable(
    `${jobs} whole pipelines on scripted agents (implement, verify, review, hand-off; every fourth is fixed once), ${AT_ONCE} at once`,
    ['', 'seconds', 'jobs/s', 'kills', 'handed off', 'started twice', 'other ends'],
    [row('undisturbed', calm, '–'), row('killed every 5 s', killed, String(different))],
  );
}
