/**
 * The crash lab: `npm run test:crash -- --all` runs every part at full size, `--lab PART …` replays one point of it. It
 * prints what it tried and every violation with its replay command; its exit code is 1 when there was one.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { flipHome } from './flip-home.ts';
import { runFlips } from './flips.ts';
import { listMissing } from './least.ts';
import { renderTable, summarise, type PartResult } from './outcome.ts';
import { cutPower, failOperations, sweepServers, sweepStore, walkRandomly, type Lab, type LabSize } from './parts.ts';
import { replay } from './replay.ts';
import { createTemplate, type Scenario } from './scenario.ts';
import { findScenario, SCENARIOS } from './scenarios.ts';
import { whyNoShim } from './shim.ts';

const FULL: LabSize = {
  storePoints: 1750,
  serverPoints: 40,
  twice: 5,
  failures: 20,
  cuts: { stride: 2, seeds: 2 },
  recoveries: 4,
  crashes: 1000,
  flips: 600,
  homeFlips: 96,
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

type Part = (lab: Lab) => Promise<PartResult>;

/** In this order: what is quick comes first. */
const PARTS: Record<string, Part> = {
  flips: ({ template, seed, size }) => runFlips({ template, seed, flips: size.flips }),
  'home-flips': ({ template, seed, size, lanes }) => flipHome({ template, seed, flips: size.homeFlips, lanes }),
  store: sweepStore,
  cuts: cutPower,
  servers: sweepServers,
  io: failOperations,
  walks: walkRandomly,
};

/** What is run: everything, or what was named. */
interface Choice {
  seed: number;
  parts: readonly string[];
  scenarios: readonly Scenario[];
}

function choose(words: readonly string[]): Choice {
  const options = { seed: { type: 'string' }, only: { type: 'string' }, scenario: { type: 'string' } } as const;
  const { values } = parseArgs({ args: [...words], options });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new Error('--seed is a whole number');
  const parts = values.only?.split(',') ?? Object.keys(PARTS);
  const strange = parts.find((part) => !Object.hasOwn(PARTS, part));
  if (strange !== undefined) throw new Error(`--only "${strange}": parts are ${Object.keys(PARTS).join(', ')}`);
  return { seed, parts, scenarios: values.scenario?.split(',').map(findScenario) ?? SCENARIOS };
}

async function runAll({ seed, parts, scenarios }: Choice): Promise<boolean> {
  const began = performance.now();
  await using template = await createTemplate();
  const lab: Lab = { template, scenarios, size: FULL, seed, lanes: availableParallelism() * LANES_PER_CORE };
  print(`# lab: seed ${seed}, ${lab.lanes} lanes`);
  const results: PartResult[] = [];
  for (const name of parts) {
    const result = await PARTS[name]?.(lab);
    if (result === undefined) continue;
    report(result);
    results.push(result);
  }
  const violations = results.reduce((sum, one) => sum + one.violations.length, 0);
  const isWhole = parts.length === Object.keys(PARTS).length && scenarios === SCENARIOS;
  const missing = isWhole ? listMissing(results) : [];
  for (const one of missing) print(`# lab: ${one}`);
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  print(`# lab: ${violations} violations in ${minutes} minutes`);
  print(`\n${renderTable(results)}\n`);
  return violations === 0 && missing.length === 0;
}

async function main(words: readonly string[]): Promise<boolean> {
  const why = whyNoShim();
  if (why !== false) throw new Error(why);
  if (words.includes('--lab')) {
    print(await replay(words));
    return true;
  }
  return runAll(choose(words));
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
