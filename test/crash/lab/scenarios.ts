/** Every scenario of the lab. */
import type { Scenario } from './scenario.ts';
import { CANCEL_AND_RETRY } from './scenarios/cancel-and-retry.ts';
import { FIRST_START } from './scenarios/first-start.ts';
import { RECOVER } from './scenarios/recover.ts';
import { REMOVE_REPOSITORY } from './scenarios/remove-repository.ts';
import { RUN } from './scenarios/run.ts';

export const SCENARIOS: readonly Scenario[] = [RUN, CANCEL_AND_RETRY, REMOVE_REPOSITORY, RECOVER, FIRST_START];

/** Returns the scenario of this name. Throws when there is none. */
export function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario "${name}": ${SCENARIOS.map((one) => one.name).join(', ')}`);
  return found;
}
