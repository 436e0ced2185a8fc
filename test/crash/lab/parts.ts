/** The parts of the lab, each at the size it is asked for. */
import { inLanes, measurePart, type PartResult } from './outcome.ts';
import { listDiskFailures, listFailures, replayFailure, tryFailure } from './io-errors.ts';
import { thinOut, type KillPoint } from './kill-points.ts';
import {
  cutEverywhere,
  recordScenario,
  recordStore,
  recoverCut,
  replayCutCommand,
  type Recording,
} from './power-cut-lab.ts';
import type { DiskModel } from './disk-model.ts';
import type { Cut } from './power-cut.ts';
import type { Scenario, Template } from './scenario.ts';
import { findScenario } from './scenarios.ts';
import { findStorePoints, tryStorePoint } from './store-lab.ts';
import { findPoints, replayCommand, tryPoint } from './sweep.ts';
import { DIED_TWICE, DISTINCT, PART, STARTED } from './least.ts';
import { createRandom, pickOne } from './random.ts';
import { walk } from './walk.ts';

export interface LabSize {
  storePoints: number;
  /** Of each scenario with whole servers. */
  serverPoints: number;
  /** Of these, how many are followed by a second death, in the recovery. */
  twice: number;
  /** Of each scenario with whole servers. */
  failures: number;
  /** Every so many-th operation, and torn states after each. */
  cuts: { stride: number; seeds: number };
  /** Whole servers started on what a cut left, of each recording. */
  recoveries: number;
  crashes: number;
  flips: number;
  /** Flips a whole server is started on. */
  homeFlips: number;
}

/** What a part needs to know of the whole. */
export interface Lab {
  template: Template;
  /** What whole servers play. */
  scenarios: readonly Scenario[];
  size: LabSize;
  seed: number;
  lanes: number;
}

async function guard(
  result: PartResult,
  what: { name: string; replay: string },
  work: () => Promise<boolean>,
): Promise<void> {
  try {
    if (await work()) result.tried++;
    else result.counts['not reached'] = (result.counts['not reached'] ?? 0) + 1;
  } catch (error) {
    result.tried++;
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    result.violations.push({ what: what.name, why, replay: what.replay });
  }
}

/** Kills the store alone at its operations, torn writes among them. */
export function sweepStore({ size, lanes }: Lab): Promise<PartResult> {
  return measurePart(PART.store, async (result) => {
    // Between two operations of one thread nothing happens: to die after one is to die before the next.
    const points = (await findStorePoints()).filter(({ fault }) => fault.when !== 'before');
    await inLanes(thinOut(points, size.storePoints), lanes, (point) =>
      guard(result, { name: 'store', replay: replayCommand(point) }, async () => {
        const why = await tryStorePoint(point);
        if (why !== null && why.length > 0) throw new Error(why.join('\n'));
        return why !== null;
      }),
    );
  });
}

/** Kills whole servers and keepers, and some of them again while they recover. */
export function sweepServers(lab: Lab): Promise<PartResult> {
  const { template, scenarios, size, lanes } = lab;
  return measurePart(PART.servers, async (result) => {
    const recovery = await findPoints(template, findScenario('recover'));
    const deaths = recovery.filter(({ role }) => role === 'server');
    const points: { scenario: Scenario; point: KillPoint }[] = [];
    for (const scenario of scenarios) {
      const chosen = choosePoints(await findPoints(template, scenario), size.serverPoints);
      if (chosen.length === 0) throw new Error(`${scenario.name} changes nothing that could be cut off`);
      const twice = thinOut(chosen, size.twice).map((point, index) => {
        const again = deaths[(index * 37) % Math.max(1, Math.floor(deaths.length / 2))]?.fault;
        return again === undefined ? point : { ...point, again };
      });
      points.push(...[...chosen, ...twice].map((point) => ({ scenario, point })));
    }
    await inLanes(points, lanes, ({ scenario, point }) =>
      guard(result, { name: scenario.name, replay: replayCommand(point) }, async () => {
        const isReached = await tryPoint(template, scenario, point);
        if (isReached && point.again !== undefined) result.counts[DIED_TWICE] = (result.counts[DIED_TWICE] ?? 0) + 1;
        return isReached;
      }),
    );
  });
}

/** Every kind of operation before the log of the database, which the sweep of the store takes one by one. */
function choosePoints(points: readonly KillPoint[], limit: number): KillPoint[] {
  const isLog = ({ fault }: KillPoint): boolean => fault.op === 'write' && fault.path === '/holdfast.db-wal';
  const others = points.filter((point) => !isLog(point));
  const logged = points.filter(isLog);
  const most = thinOut(others, Math.ceil(limit * 0.85));
  return [...most, ...thinOut(logged, limit - most.length)];
}

/** Fails operations of whole servers and keepers, once and lasting. */
export function failOperations({ template, scenarios, size, lanes }: Lab): Promise<PartResult> {
  return measurePart(PART.io, async (result) => {
    const failures: { scenario: Scenario; point: KillPoint }[] = [];
    for (const scenario of scenarios) {
      const points = await findPoints(template, scenario);
      // Whole disks that turn read-only or full in the middle, and single operations that fail.
      const whole = thinOut(listDiskFailures(points), Math.ceil(size.failures / 5));
      if (whole.length === 0) throw new Error(`${scenario.name} does nothing that could fail`);
      const single = thinOut(listFailures(points), size.failures - whole.length);
      failures.push(...[...whole, ...single].map((point) => ({ scenario, point })));
    }
    await inLanes(failures, lanes, ({ scenario, point }) =>
      guard(result, { name: scenario.name, replay: replayFailure(point) }, () => tryFailure(template, scenario, point)),
    );
  });
}

/** Violations that say enough. */
const ENOUGH = 20;
/** Recordings at a time: one is played, or recovered from, while another is cut on every core. */
const RECORDINGS = 2;
const MODELS: readonly DiskModel[] = ['strict', 'ordered', 'eager', 'torn'];

/** Cuts the power of the store and of whole servers after every operation. */
export function cutPower(lab: Lab): Promise<PartResult> {
  return measurePart(PART.cuts, async (result) => {
    result.counts[DISTINCT] = 0;
    result.counts[STARTED] = 0;
    await cutRecording(lab, result, await recordStore());
    await inLanes(lab.scenarios, RECORDINGS, async (scenario) => {
      // What is known to be wrong by now is not learned better from the others.
      if (result.violations.length >= ENOUGH) return;
      await cutRecording(lab, result, await recordScenario(lab.template, scenario));
    });
  });
}

async function cutRecording(lab: Lab, result: PartResult, recording: Recording): Promise<void> {
  await using run = recording;
  const { tried, distinct, violations } = await cutEverywhere(run, lab.size.cuts);
  if (tried === 0) throw new Error(`${run.name} changed nothing that could be lost`);
  result.tried += tried;
  result.counts[DISTINCT] = (result.counts[DISTINCT] ?? 0) + distinct;
  for (const { cut, why } of violations) {
    result.violations.push({ what: run.name, why: why.join('\n'), replay: replayCutCommand(run.name, cut) });
  }
  // A server that starts on what is known to be wrong shows nothing new.
  if (run.name === 'store' || violations.length > 0) return;
  const random = createRandom(lab.seed);
  for (let index = 0; index < lab.size.recoveries; index++) {
    const after = 1 + Math.floor(random() * run.operations.length);
    const cut: Cut = { after, model: pickOne(random, MODELS), seed: index };
    await guard(result, { name: run.name, replay: replayCutCommand(run.name, cut) }, async () => {
      await recoverCut(lab.template, run, cut);
      return true;
    });
    result.counts[STARTED] = (result.counts[STARTED] ?? 0) + 1;
  }
}

/** Walks until as many crashes have happened as were asked for. */
export function walkRandomly({ template, size, seed, lanes }: Lab): Promise<PartResult> {
  return measurePart(PART.walks, async (result) => {
    let next = seed;
    const lane = async (): Promise<void> => {
      while (result.tried < size.crashes) {
        const own = next++;
        const replay = `npm run test:crash -- --lab walk --seed ${own}`;
        const walked = await walk(template, own).catch((error: unknown) => {
          const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
          result.violations.push({ what: `walk ${own}`, why, replay });
          return 0;
        });
        result.tried += Math.max(1, walked);
        result.counts['worlds'] = (result.counts['worlds'] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  });
}
