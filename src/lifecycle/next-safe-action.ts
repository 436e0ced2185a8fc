import type { Job, Reason } from './job.ts';
import type { NextSafeAction } from './report.ts';

/** Returns what a person (or a program) can safely do next about a job. */
export function nextSafeAction(job: Pick<Job, 'state' | 'reason'> & { frozen?: boolean }): NextSafeAction {
  switch (job.state) {
    case 'created':
      return 'start';
    case 'waiting':
    case 'queued':
      if (job.frozen === true) return 'unfreeze';
      return job.reason === 'free_disk' ? 'free_disk' : 'wait';
    case 'preparing':
    case 'running':
      return 'wait';
    case 'blocked':
      return actionOfBlocked(job.reason);
    case 'quarantined':
      return 'inspect_quarantine';
    case 'failed':
    case 'timed_out':
      return 'retry';
    case 'ready':
      return job.reason === 'push_failed' ? 'fix_config' : 'review';
    case 'completed':
      return 'review';
    case 'cancelled':
      return 'none';
  }
}

/** What helps depends on why it is blocked: an old budget, a wrong registration, work that cannot be handed on. */
function actionOfBlocked(reason: Reason | null): NextSafeAction {
  switch (reason) {
    case 'fix_config':
    case 'gate_blocked':
    case 'merge_refused':
      return 'fix_config';
    case 'weak_packet':
      return 'abandon';
    case 'fix_budget':
    case 'merge_failed_final':
    case 'uncommitted_work':
    case 'work_unusable':
    case 'no_changes':
    case 'empty_merge':
      return 'fixup';
    default:
      return 'retry';
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
    case 'fixup':
      return `holdfast fixup ${number}`;
    case 'abandon':
      return `holdfast cancel ${number}`;
    case 'review':
      return `holdfast diff ${number}`;
    case 'inspect_quarantine':
      return `holdfast show ${number}`;
    default:
      return null;
  }
}
