/** Every scenario of the lab. */
import type { Scenario } from './scenario.ts';
import { BACKUP } from './scenarios/backup.ts';
import { CALLBACKS } from './scenarios/callbacks.ts';
import { CANCEL_AND_RETRY } from './scenarios/cancel-and-retry.ts';
import { FIRST_START } from './scenarios/first-start.ts';
import { RECOVER } from './scenarios/recover.ts';
import { REMOVE_JOB } from './scenarios/remove-job.ts';
import { REMOVE_REPOSITORY } from './scenarios/remove-repository.ts';
import { RUN } from './scenarios/run.ts';
import { UPLOAD } from './scenarios/upload.ts';

export const SCENARIOS: readonly Scenario[] = [
  RUN,
  UPLOAD,
  CALLBACKS,
  REMOVE_JOB,
  RECOVER,
  CANCEL_AND_RETRY,
  REMOVE_REPOSITORY,
  FIRST_START,
  BACKUP,
];

/** Returns the scenario of this name. Throws when there is none. */
export function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no scenario "${name}": ${SCENARIOS.map((one) => one.name).join(', ')}`);
  return found;
}
