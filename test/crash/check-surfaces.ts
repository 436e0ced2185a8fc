import assert from 'node:assert/strict';
import type { Job } from '../../src/lifecycle/job.ts';
import { findOverlap } from '../../src/lifecycle/surface.ts';
import { isActive } from '../../src/lifecycle/transitions.ts';
import type { JournalEvent } from '../../src/store/store.ts';

type Known = Pick<Job, 'id' | 'number' | 'repository' | 'surface' | 'state' | 'startedAt'>;

/** Whether it has begun and not ended: between two stages as well. */
function holds({ surface, state, startedAt }: Known): boolean {
  return (surface ?? null) !== null && (isActive(state) || (state === 'queued' && (startedAt ?? null) !== null));
}

/** Asserts from the journal that no job ever began while another of its repository held paths it may touch (L1). */
export function checkSurfaces(events: readonly JournalEvent[]): void {
  const jobs = new Map<string, Known>();
  for (const { kind, subject, data } of events) {
    if (!kind.startsWith('job.')) continue;
    const before = jobs.get(subject);
    const after = { ...before, ...data, id: subject } as Known;
    jobs.set(subject, after);
    if (kind !== 'job.claim' || (before !== undefined && holds(before)) || !holds(after)) continue;
    for (const other of jobs.values()) {
      if (other.id === subject || other.repository !== after.repository || !holds(other)) continue;
      const overlap = findOverlap(after.surface, other.surface);
      assert.equal(overlap, null, `job ${after.number} began beside job ${other.number}: ${JSON.stringify(overlap)}`);
    }
  }
}
