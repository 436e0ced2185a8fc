/** What agents of the lab do, and what must come of it. */
import assert from 'node:assert/strict';
import { until } from '../../support/poll.ts';
import type { Trial } from './scenario.ts';

/** Long enough to outlive a recovery: agents of a few milliseconds hide that there were two. */
export const WORK = 'for i in 1 2 3; do say "line $i"; sleep 0.1; done';

/** What `WORK` prints. */
export const LINES = 'line 1\nline 2\nline 3\n';

const ENDS = ['completed', 'failed', 'timed_out', 'cancelled', 'blocked', 'quarantined'];

/** What a job must come to: state, exit code, output. */
export type Expected = Record<string, readonly [state: string, exitCode: number, output: string]>;

/** Waits until the accepted jobs (or the named ones of them) have ended, as expected where that is said. */
export async function awaitEnds(trial: Trial, expected: Expected = {}, only?: readonly string[]): Promise<void> {
  const { world } = trial;
  for (const [name, { id }] of trial.jobs) {
    if (only !== undefined && !only.includes(name)) continue;
    const job = await world.awaitState(id, ...ENDS);
    const [state, exitCode, output] = expected[name] ?? [];
    if (state === undefined) continue;
    assert.equal(job.state, state, `${name}: ${job.reason} ${job.blocker}`);
    assert.equal(job.exitCode, exitCode, name);
    assert.equal(await world.readOutput(id), output, `output of ${name}`);
  }
}

/** Waits until a job has printed something. */
export async function awaitOutput(trial: Trial, name: string): Promise<void> {
  const { id } = trial.job(name);
  await until(`${name} has printed`, async () => (await trial.world.getJob(id)).outputBytes > 0);
}
