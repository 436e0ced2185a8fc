/** Kills whole servers and keepers at their durable operations, starts again, and looks whether every promise is kept. */
import { rename } from 'node:fs/promises';
import { until } from '../../support/poll.ts';
import type { World } from '../../support/world.ts';
import { checkInvariants } from '../invariants.ts';
import { listPoints, type KillPoint } from './kill-points.ts';
import type { Operation } from './operation-log.ts';
import { actUntilDeath, createTrial, type Scenario, type Template, type Trial } from './scenario.ts';
import { formatFault, type Fault } from './shim.ts';
import { logOf, readOperations, startWatched } from './watched-world.ts';

async function playOnce(template: Template, scenario: Scenario): Promise<KillPoint[]> {
  await using trial = await createTrial(template, scenario);
  const server = await startWatched(trial.world, { waitReady: false });
  await actUntilDeath(server, () => act(trial, scenario));
  await trial.world.kill();
  const operations = readOperations(trial.world);
  return (['server', 'keeper'] as const).flatMap((role) => listPoints(scenario.name, role, operations));
}

/** What was seen, by scenario: several parts of a run ask. */
const known = new WeakMap<Template, Map<string, Promise<KillPoint[]>>>();

/**
 * Returns every point of a scenario, seen in one run of it that nothing happens to. Call it while nothing else runs: on a busy
 * machine things happen in an order that is not met again.
 */
export function findPoints(template: Template, scenario: Scenario): Promise<KillPoint[]> {
  const ofTemplate = known.get(template) ?? new Map<string, Promise<KillPoint[]>>();
  known.set(template, ofTemplate);
  const points = ofTemplate.get(scenario.name) ?? playOnce(template, scenario);
  ofTemplate.set(scenario.name, points);
  return points;
}

async function act(trial: Trial, scenario: Scenario): Promise<void> {
  const { world } = trial;
  if (world.server !== null) await world.awaitReady(world.server);
  await scenario.act(trial);
}

/** Returns false when the point was not reached: the order of what happens at once differs between runs. Throws what is wrong. */
export async function tryPoint(template: Template, scenario: Scenario, point: KillPoint): Promise<boolean> {
  await using trial = await createTrial(template, scenario);
  const { world } = trial;
  const server = await startWatched(world, {
    [point.role === 'keeper' ? 'keeper' : 'server']: point.fault,
    waitReady: false,
  });
  // A server outlives the death of a keeper: it is killed as soon as that is seen.
  const watch = new AbortController();
  const keeperDeath = point.role === 'keeper' ? killAfterKeeper(world, watch.signal) : null;
  await actUntilDeath(server, () => act(trial, scenario));
  watch.abort();
  await keeperDeath;
  const reached = findDeath(readOperations(world)) !== null;
  await world.kill();
  if (!reached) return false;
  if (point.again !== undefined && !(await dieAgain(world, point.again))) return false;
  await world.start();
  await scenario.settle(trial);
  await checkInvariants(world, { startAgain: false });
  await scenario.check?.(trial);
  return true;
}

async function killAfterKeeper(world: World, signal: AbortSignal): Promise<void> {
  await until('a keeper is dead', () => signal.aborted || findDeath(readOperations(world)) !== null);
  if (!signal.aborted) await world.kill();
}

function findDeath(operations: readonly Operation[]): Operation | null {
  return operations.find(({ op }) => op === 'K') ?? null;
}

/** Starts a server that dies while it recovers; returns whether it did. */
async function dieAgain(world: World, fault: Fault): Promise<boolean> {
  await rename(logOf(world), `${logOf(world)}.first`);
  const server = await startWatched(world, { server: fault, waitReady: false });
  const died = await actUntilDeath(server, async () => void (await world.awaitReady(server)));
  await world.kill();
  return died && findDeath(readOperations(world)) !== null;
}

/** Returns the command that tries one point again. */
export function replayCommand({ scenario, role, fault, again }: KillPoint): string {
  const more = again === undefined ? '' : ` --again '${formatFault(again)}'`;
  return `npm run test:crash -- --lab sweep --scenario ${scenario} --role ${role} --fault '${formatFault(fault)}'${more}`;
}
