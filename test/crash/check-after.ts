import assert from 'node:assert/strict';
import { judgeDependency } from '../../src/lifecycle/dependency.ts';
import type { Job } from '../../src/lifecycle/job.ts';
import type { JournalEvent } from '../../src/store/store.ts';

type Known = Pick<Job, 'id' | 'number' | 'state' | 'reason' | 'awaits'>;

/**
 * Asserts from the journal that no job ever got its place while one it waited for had not ended well, and that whoever
 * waits now, waits for somebody who may still.
 */
export function checkAfter(events: readonly JournalEvent[]): void {
  const jobs = new Map<string, Known>();
  const met = new Set<string>();
  for (const { kind, subject, data } of events) {
    if (!kind.startsWith('job.')) continue;
    const before = jobs.get(subject);
    const after = { reason: null, awaits: null, ...before, ...data, id: subject } as Known;
    jobs.set(subject, after);
    if (judgeDependency(after) === 'met') met.add(subject);
    // The word of an operator is enough: it says to go without them.
    if (kind !== 'job.enqueue' && kind !== 'job.dependency_met') continue;
    const dropped = (before?.awaits ?? []).filter((id) => after.awaits?.includes(id) !== true);
    assert.ok(dropped.length > 0, `${kind} of job ${after.number} met nobody`);
    for (const id of dropped) assert.ok(met.has(id), `job ${after.number} goes on before ${id} ended well`);
  }
  for (const job of jobs.values()) {
    if (job.state !== 'waiting') continue;
    assert.ok((job.awaits ?? []).length > 0, `job ${job.number} waits for nobody`);
    for (const id of job.awaits ?? []) {
      const other = jobs.get(id);
      assert.ok(other !== undefined, `job ${job.number} waits for ${id}, which is not there`);
      assert.equal(judgeDependency(other), 'pending', `job ${job.number} waits for job ${other.number} in vain`);
    }
  }
}
