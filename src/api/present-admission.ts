import { describeDisk, FREE_DISK_HINT, type DiskState } from '../queue/disk-level.ts';
import type { AdmissionView } from './contract/queue.ts';

/** Returns what the disk allows as the contract shows it. */
export function presentAdmission(state: DiskState | null): AdmissionView {
  const detail = state === null ? null : describeDisk(state);
  return {
    open: detail === null,
    reason: detail === null ? null : 'free_disk',
    detail,
    hint: detail === null ? null : FREE_DISK_HINT,
    nextSafeAction: detail === null ? 'none' : 'free_disk',
    freeBytes: state?.freeBytes ?? null,
    neededBytes: state?.neededBytes ?? null,
    stopBytes: state?.stopBytes ?? null,
  };
}
