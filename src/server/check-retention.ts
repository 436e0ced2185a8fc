import type { DoctorCheck } from '../api/services.ts';
import { formatDuration } from '../kernel/duration.ts';
import { longestSpan } from '../lifecycle/retention.ts';
import type { RetentionState } from '../recovery/retention/retention-keeper.ts';

const NAMED = 3;

/** Says when workspaces and jobs go, what of them stays and why, and whether the clock is believed. */
export function checkRetention({ spans, witness, kept, keptTotal }: RetentionState): DoctorCheck {
  const say = (ms: number | null): string => (ms === null ? 'for ever' : `for ${formatDuration(ms)}`);
  const rules = `workspaces are kept ${say(spans.workspacesMs)} after the end of their job, jobs ${say(spans.jobsMs)}`;
  const name = 'retention';
  if (witness.aheadMs > 0) {
    const longestMs = longestSpan(spans);
    const rest = longestMs === null ? '' : `; it is believed again in ${formatDuration(longestMs - witness.sinceMs)}`;
    const ahead = `the clock is ${formatDuration(witness.aheadMs)} ahead of the time that evidently passed`;
    const detail = `${rules}; ${ahead}, and ages are counted without it${rest}`;
    const hint =
      'If the clock is wrong, set it: then it is believed at once. Ended jobs go with `holdfast remove` meanwhile.';
    return { name, ok: true, level: 'warn', detail, hint };
  }
  if (keptTotal === 0) return { name, ok: true, level: 'ok', detail: rules, hint: null };
  const named = kept.slice(0, NAMED).map(({ job, what, why }) => `${what} of job ${job}: ${why}`);
  const more = keptTotal > named.length ? `, and ${keptTotal - named.length} more` : '';
  const detail = `${rules}; ${keptTotal} stay longer: ${named.join('; ')}${more}`;
  return { name, ok: true, level: 'warn', detail, hint: 'Look at them, then remove them: holdfast remove JOB.' };
}
