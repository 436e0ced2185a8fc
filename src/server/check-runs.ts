import type { DoctorCheck } from '../api/services.ts';
import type { Home } from '../lifecycle/home.ts';
import { scrubRuns, type JobReader } from '../recovery/scrub-kinds.ts';
import { describeDamaged, ok, type Looker } from './doctor-check.ts';

/** Checks what jobs left on the disk, however long a file is: one finding for each damaged one. */
export async function checkRuns(
  { store, home }: { store: JobReader; home: Home },
  looker: Looker,
): Promise<DoctorCheck[]> {
  const checks: DoctorCheck[] = [];
  let checked = 0;
  const kind = scrubRuns(store, home, Number.POSITIVE_INFINITY);
  await kind.run(async (part) => {
    for (const count of Object.values(part.checked)) checked += count;
    for (const damaged of part.found) checks.push(describeDamaged(damaged, looker));
  }, new AbortController().signal);
  return checks.length > 0 ? checks : [ok('runs', `${checked} files of jobs checked`)];
}
