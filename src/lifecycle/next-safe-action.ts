import type { Job } from './job.ts';
import type { NextSafeAction } from './report.ts';

/** Returns what a person (or a program) can safely do next about a job. */
export function nextSafeAction(job: Pick<Job, 'state' | 'reason'> & { frozen?: boolean }): NextSafeAction {
  switch (job.state) {
    case 'created':
      return 'start';
    case 'queued':
      if (job.frozen === true) return 'unfreeze';
      return job.reason === 'free_disk' ? 'free_disk' : 'wait';
    case 'preparing':
    case 'running':
      return 'wait';
    case 'blocked':
      return job.reason === 'fix_config' ? 'fix_config' : 'retry';
    case 'quarantined':
      return 'inspect_quarantine';
    case 'failed':
    case 'timed_out':
      return 'retry';
    case 'completed':
      return 'review';
    case 'cancelled':
      return 'none';
  }
}

/** Returns the command line that carries out `action` on job `number`, or null where there is none in this version. */
export function commandOf(action: NextSafeAction, number: number): string | null {
  switch (action) {
    case 'start':
      return `holdfast start ${number}`;
    case 'unfreeze':
      return `holdfast unfreeze ${number}`;
    case 'wait':
      return `holdfast wait ${number}`;
    case 'retry':
    case 'fix_config':
      return `holdfast retry ${number}`;
    case 'review':
      return `holdfast diff ${number}`;
    case 'inspect_quarantine':
      return `holdfast show ${number}`;
    default:
      return null;
  }
}
