/** What the start could not make available, and what is set aside: both wait for a person. */
import type { DoctorCheck } from '../api/services.ts';
import { messageOf } from '../kernel/result.ts';
import type { Store } from '../store/store.ts';
import { ok, warn } from './doctor-check.ts';

/** Not `quarantine`: that is what the check of a damaged record of it is called. */
const NAME = 'set aside';

/** Returns one check for everything that is degraded, by its reasons, and one for what the quarantine holds. */
export async function checkTrouble(
  store: Pick<Store, 'countQuarantine' | 'countJobsByState'>,
  degraded: readonly string[],
): Promise<DoctorCheck[]> {
  const start =
    degraded.length === 0
      ? ok('start', 'the newest start made everything available')
      : warn('start', `degraded: ${degraded.join('; ')}`, 'See `holdfast recovery report`.');
  return [start, await checkQuarantine(store)];
}

async function checkQuarantine(store: Pick<Store, 'countQuarantine' | 'countJobsByState'>): Promise<DoctorCheck> {
  try {
    const records = await store.countQuarantine();
    const { quarantined } = await store.countJobsByState();
    if (records + quarantined === 0) return ok(NAME, 'nothing');
    const detail = `${records} damaged records or files, ${quarantined} whole jobs`;
    return warn(NAME, detail, 'See `holdfast recovery quarantine`: what each is, and what to do.');
  } catch (error) {
    return { name: NAME, ok: false, level: 'fail', detail: messageOf(error), hint: null };
  }
}
