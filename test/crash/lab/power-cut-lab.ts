/** Records runs of the store and of whole servers, and cuts their power everywhere. */
import { rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { homeLayout } from '../../../src/lifecycle/home.ts';
import { copyHome, World } from '../../support/world.ts';
import { checkInvariants } from '../invariants.ts';
import { readLog, type Operation } from './operation-log.ts';
import { layOut, makeScratch, replayCut, type Cut, type CutPlan, type CutResult } from './power-cut.ts';
import { actUntilDeath, createTrial, type Scenario, type Template } from './scenario.ts';
import { playStore } from './store-lab.ts';
import { logOf, startWatched } from './watched-world.ts';

/** A run that was recorded with every byte it wrote. */
export interface Recording extends AsyncDisposable {
  name: string;
  root: string;
  log: string;
  /** What lay in the home before, or null. */
  before: string | null;
  operations: Operation[];
}

/** Records the store alone. */
export async function recordStore(): Promise<Recording> {
  const played = await playStore(null, true);
  if (played.code !== 0) throw new Error(`the store cannot be played: ${played.stderr}`);
  const { root, operations } = played;
  const log = join(root, '../operations');
  const dispose = async (): Promise<void> => played[Symbol.dispose]();
  return { name: 'store', root, log, before: null, operations, [Symbol.asyncDispose]: dispose };
}

/** Records a scenario with a whole server, its keepers, and the git it calls. */
export async function recordScenario(template: Template, scenario: Scenario): Promise<Recording> {
  const before = makeScratch();
  // Keepers outlive the server that prepares: what they write later is part of the run, so all of it is watched.
  const trial = await createTrial(template, scenario, (world) => startWatched(world, { data: true }));
  const { world } = trial;
  if (scenario.bare !== true) await copyHome(template.home, before);
  if (scenario.config !== undefined) writeFileSync(homeLayout(before).configFile, JSON.stringify(scenario.config));
  const server = await startWatched(world, { data: true, waitReady: false });
  const died = await actUntilDeath(server, async () => {
    await world.awaitReady(server);
    await scenario.act(trial);
  });
  if (died) throw new Error(`the server died by itself: ${await world.readLog()}`);
  await world.kill();
  return {
    name: scenario.name,
    root: world.home.root,
    log: logOf(world),
    before: scenario.bare === true ? null : before,
    operations: readLog(logOf(world)),
    [Symbol.asyncDispose]: async () => {
      rmSync(before, { recursive: true, force: true });
      await trial[Symbol.asyncDispose]();
    },
  };
}

/** Tries every cut of a recording, on every core. */
export async function cutEverywhere(
  { root, log, before }: Recording,
  size: { seeds: number; stride: number },
): Promise<CutResult> {
  const parts = availableParallelism();
  const shares = Array.from({ length: parts }, (_, part) =>
    tryShare(log, { root, before, ...size, share: { part, parts } }),
  );
  const results = await Promise.all(shares);
  return {
    // Each looks at all of them and checks its own.
    tried: results[0]?.tried ?? 0,
    distinct: results.reduce((sum, one) => sum + one.distinct, 0),
    violations: results.flatMap((one) => one.violations),
  };
}

function tryShare(log: string, plan: Omit<CutPlan, 'operations'>): Promise<CutResult> {
  const worker = new Worker(new URL('power-cut-worker.fixture.ts', import.meta.url), { workerData: { log, ...plan } });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** States a promised job may end in when the power went and came back. */
const ENDS = ['completed', 'failed', 'cancelled'];

/** Starts a real server on what a cut left, and lets it end everything it was given. Throws what is wrong. */
export async function recoverCut(template: Template, recording: Recording, cut: Cut): Promise<void> {
  const { files, promises } = replayCut(recording, cut);
  const scratch = makeScratch();
  try {
    layOut(scratch, files);
    await using world = await World.copy(scratch, template.repository);
    const said = readLog(recording.log).length;
    await world.start();
    const removing = new Set(promises.map((one) => one.removing));
    for (const { job } of promises) {
      if (job === undefined) continue;
      if (removing.has(job)) world.removing.add(job);
      if (removing.has(job) && (await world.api('GET', `/v1/jobs/${job}`)).status === 410) continue;
      world.acknowledged.set(job, {});
      if ((await world.getJob(job)).state !== 'created') await world.awaitState(job, ...ENDS);
    }
    const before = new Set(promises.map(({ started }) => started));
    for (const { op, class: text } of readLog(recording.log).slice(said)) {
      const { started } = op === 'A' ? (JSON.parse(text) as { started?: string }) : {};
      if (started !== undefined && before.has(started)) throw new Error(`attempt ${started} was started a second time`);
    }
    await checkInvariants(world, { startAgain: false });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Returns the command that looks at one cut again; a run is recorded anew, so its ids differ. */
export function replayCutCommand(name: string, { after, model, seed }: Cut): string {
  return `npm run test:crash -- --lab cut --scenario ${name} --cut '${after} ${model} ${seed}'`;
}
