/** Random walks: one world is crashed up to ten times, anywhere, and must then come to its end with every promise kept. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkInvariants } from '../invariants.ts';
import { awaitEnds, LINES, WORK } from './agents.ts';
import { createRandom, pickOne } from './random.ts';
import { actUntilDeath, createTrial, type Scenario, type Template, type Trial } from './scenario.ts';
import type { Fault } from './shim.ts';
import { logOf, startWatched } from './watched-world.ts';

/** Most crashes of one walk. */
const CRASHES_PER_WALK = 10;
const MOST_JOBS = 5;
/** A walk that kills more keepers than this would, rightly, end as a crash loop. */
const MOST_KEEPERS = 2;
/** A server does about this much from its start until a job has ended. */
const MOST_OPERATIONS = 500;
const LONGEST_MS = 1500;

const EMPTY: Scenario = { name: 'walk', act: async () => undefined, settle: async () => undefined };

/** Walks the walk of this seed; returns how often it crashed. Throws what is wrong. */
export async function walk(template: Template, seed: number): Promise<number> {
  const random = createRandom(seed);
  await using trial = await createTrial(template, EMPTY);
  const crashes = 1 + Math.floor(random() * CRASHES_PER_WALK);
  let keepers = 0;
  for (let crash = 0; crash < crashes; crash++) {
    const isKeeper = keepers < MOST_KEEPERS && random() < 0.15;
    if (isKeeper) keepers++;
    await crashOnce(trial, random, { crash, isKeeper });
  }
  await trial.world.start();
  const names = [...trial.jobs.keys()];
  await awaitEnds(trial, Object.fromEntries(names.map((name) => [name, ['completed', 0, LINES]])));
  await checkInvariants(trial.world, { startAgain: random() < 0.2 });
  return crashes;
}

function chooseFault(random: () => number, most: number): Fault {
  // Squared: the first operations are those of a recovery.
  const occurrence = 1 + Math.floor(random() ** 2 * most);
  return { when: pickOne(random, ['before', 'after', 'torn']), op: '*', path: '*', occurrence, errno: 0 };
}

/** Starts a server, lets a client work, and kills it at an operation or at a moment, whichever comes first. */
async function crashOnce(
  trial: Trial,
  random: () => number,
  { crash, isKeeper }: { crash: number; isKeeper: boolean },
): Promise<void> {
  const { world } = trial;
  const fault = chooseFault(random, isKeeper ? 25 : MOST_OPERATIONS);
  const deadlineMs = Math.floor(random() * LONGEST_MS);
  const submits = trial.jobs.size < MOST_JOBS && random() < 0.7;
  const server = await startWatched(world, { [isKeeper ? 'keeper' : 'server']: fault, waitReady: false });
  await actUntilDeath(server, async () => {
    await world.awaitReady(server);
    if (submits) await trial.submit(`job-${crash}`, WORK);
    await sleep(deadlineMs);
  });
  await world.kill();
  // The promises stay where they are: only what is counted begins anew.
  await rename(logOf(world), join(world.root, `operations.${crash}`)).catch(() => undefined);
}
