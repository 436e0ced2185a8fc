/**
 * The crash lab: `npm run test:crash -- --all` runs every part at full size, `--lab PART …` replays one point of it. It
 * prints what it tried and every violation with its replay command; its exit code is 1 when there was one.
 */
import { availableParallelism } from 'node:os';
import { runFlips } from './flips.ts';
import { summarise, type PartResult } from './outcome.ts';
import { cutPower, failOperations, sweepServers, sweepStore, walkRandomly, type Lab, type LabSize } from './parts.ts';
import { replay } from './replay.ts';
import { createTemplate } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';
import { whyNoShim } from './shim.ts';

/** The smallest numbers a full run may end with. */
const LEAST = { kills: 2000, states: 3000, crashes: 1000, flips: 500 };

const FULL: LabSize = {
  scenarios: SCENARIOS.length,
  storePoints: 1450,
  serverPoints: 125,
  twice: 20,
  failures: 230,
  cuts: { stride: 1, seeds: 3 },
  recoveries: 12,
  crashes: LEAST.crashes,
  flips: 600,
};

/** Servers mostly wait for agents that sleep: more lanes than cores. */
const LANES_PER_CORE = 2;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function report(result: PartResult): void {
  print(`# lab: ${summarise(result)}`);
  for (const { what, why, replay: command } of result.violations) {
    print(`VIOLATION in ${what}: ${why}\n  again: ${command}`);
  }
}

/** Returns what a full run was to try and did not. */
function listMissing(results: readonly PartResult[]): string[] {
  const tried = (name: string): number =>
    results.filter((one) => one.name.includes(name)).reduce((sum, one) => sum + one.tried, 0);
  const states = results.reduce((sum, one) => sum + (one.counts['distinct states'] ?? 0), 0);
  const found = { kills: tried('kill sweep'), states, crashes: tried('random'), flips: tried('flip') };
  return Object.entries(LEAST).flatMap(([what, least]) => {
    const count = found[what as keyof typeof found];
    return count < least ? [`only ${count} ${what} of ${least}`] : [];
  });
}

async function runAll(seed: number): Promise<boolean> {
  const began = performance.now();
  await using template = await createTemplate();
  const lab: Lab = { template, size: FULL, seed, lanes: availableParallelism() * LANES_PER_CORE };
  print(`# lab: seed ${seed}, ${lab.lanes} lanes`);
  const results: PartResult[] = [];
  const flip = (): Promise<PartResult> => runFlips({ template, seed, flips: FULL.flips });
  for (const part of [sweepStore, cutPower, sweepServers, failOperations, walkRandomly, flip]) {
    const result = await part(lab);
    report(result);
    results.push(result);
  }
  const violations = results.reduce((sum, one) => sum + one.violations.length, 0);
  const missing = listMissing(results);
  for (const one of missing) print(`# lab: ${one}`);
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  print(`# lab: ${violations} violations in ${minutes} minutes`);
  return violations === 0 && missing.length === 0;
}

async function main(words: readonly string[]): Promise<boolean> {
  const why = whyNoShim();
  if (why !== false) throw new Error(why);
  if (words.includes('--lab')) {
    print(await replay(words));
    return true;
  }
  const at = words.indexOf('--seed');
  const seed = at < 0 ? Math.floor(Math.random() * 2 ** 31) : Number(words[at + 1]);
  if (!Number.isSafeInteger(seed)) throw new Error('--seed is a whole number');
  return runAll(seed);
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
