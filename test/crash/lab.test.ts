/** A sample of the crash lab, for the run of every change; `npm run test:crash -- --all` takes everything. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { flipHome } from './lab/flip-home.ts';
import { runFlips } from './lab/flips.ts';
import { summarise, type PartResult } from './lab/outcome.ts';
import { cutPower, failOperations, sweepServers, sweepStore, walkRandomly, type Lab } from './lab/parts.ts';
import { createTemplate, type Template } from './lab/scenario.ts';
import { findScenario } from './lab/scenarios.ts';
import { whyNoShim } from './lab/shim.ts';
import { isFull } from './size.ts';

const SAMPLE: Lab['size'] = {
  storePoints: 8,
  serverPoints: 2,
  twice: 1,
  failures: 2,
  cuts: { stride: 60, seeds: 1 },
  recoveries: 1,
  crashes: 3,
  flips: 30,
  homeFlips: 0,
};

const skip = whyNoShim();
let template: Template | null = null;
if (skip === false) {
  before(async () => (template = await createTemplate()));
  after(async () => template?.[Symbol.asyncDispose]());
}

/** Still no more than a part of `--all`, but enough to meet each seeded defect. */
const DENSER: Lab['size'] = {
  ...SAMPLE,
  storePoints: 40,
  serverPoints: 4,
  failures: 45,
  cuts: { stride: 3, seeds: 1 },
  flips: 250,
  homeFlips: 24,
};
const size = isFull ? DENSER : SAMPLE;

/** The seed is new in every run, and printed: what a run finds can be found again. */
const seed = Math.floor(Math.random() * 2 ** 31);

function lab(): Lab {
  assert.ok(template !== null);
  const scenarios = ['run', 'cancel-and-retry'].map(findScenario);
  return { template, scenarios, size, seed, lanes: 3 };
}

function check(result: PartResult): void {
  const found = result.violations.map(({ what, why, replay }) => `${what}: ${why}\n  again: ${replay}`);
  assert.deepEqual(found, [], `seed ${seed}`);
  assert.ok(result.tried > 0, 'nothing was tried');
}

/** Ends what hangs; a busy machine is no violation. */
const options = { timeout: isFull ? 1_800_000 : 240_000, skip };
test('the store, killed at its operations', options, async () => check(await sweepStore(lab())));
test('the power, cut after operations', options, async () => check(await cutPower(lab())));
test('servers and keepers, killed at their operations', options, async () => check(await sweepServers(lab())));
test('servers and keepers, their operations failing', options, async () => check(await failOperations(lab())));
test('random walks', options, async () => check(await walkRandomly(lab())));
test('bits, flipped', options, async (context) => {
  const result = await runFlips({ ...lab(), flips: size.flips });
  context.diagnostic(summarise(result));
  check(result);
});

if (isFull)
  test('bits, flipped beside the database', options, async (context) => {
    const result = await flipHome({ ...lab(), flips: size.homeFlips });
    context.diagnostic(summarise(result));
    check(result);
  });
