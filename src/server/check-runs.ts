import type { DoctorCheck } from '../api/services.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { scrubRuns } from '../recovery/scrub-kinds.ts';

/** Checks every run directory of an ended attempt, all of its output by hash too: one finding for each damaged file. */
export async function checkRuns({ store, home }: AttemptContext): Promise<DoctorCheck[]> {
  const checks: DoctorCheck[] = [];
  let checked = 0;
  const kind = scrubRuns(store, home, Number.POSITIVE_INFINITY);
  await kind.run(async (part) => {
    for (const count of Object.values(part.checked)) checked += count;
    for (const { kind: name, path, why } of part.found) {
      const hint = 'See `holdfast recovery quarantine`.';
      checks.push({ name, ok: false, level: 'fail', detail: `${path}: ${why}`, hint });
    }
  }, new AbortController().signal);
  if (checks.length > 0) return checks;
  return [{ name: 'runs', ok: true, level: 'ok', detail: `${checked} files of ended attempts checked`, hint: null }];
}
