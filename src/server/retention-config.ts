import { z } from 'zod';
import { parseDuration } from '../kernel/duration.ts';
import { isError } from '../kernel/errors.ts';
import { messageOf } from '../kernel/result.ts';
import { DEFAULT_RETENTION, type RetentionSpans } from '../lifecycle/retention.ts';

const NO_SPAN = 'must be milliseconds, a text like 7d, or "never"';

/** Milliseconds, a text like `7d`; `never` or null for what is kept for ever. */
const keptSpan = z.union([z.int().positive(), z.string(), z.null()], NO_SPAN).transform((value, context) => {
  if (value === null || value === 'never') return null;
  if (typeof value === 'number') return value;
  try {
    return parseDuration(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: `${isError(error) ? error.detail : messageOf(error)}; it ${NO_SPAN}` });
    return z.NEVER;
  }
});

/** `retention` of the configuration. */
export const retentionSchema = z
  .strictObject({ workspaces: keptSpan.optional(), jobs: keptSpan.optional() })
  .superRefine((given, context) => {
    const { workspacesMs, jobsMs } = fillRetention(given);
    if (jobsMs === null || workspacesMs === null || jobsMs >= workspacesMs) return;
    // A job takes its workspace with it: the longer of the two would be a promise nobody keeps.
    const message =
      'is shorter than retention.workspaces; a job goes with its workspace, so it must be as long or longer';
    context.addIssue({ code: 'custom', path: ['jobs'], message });
  });

/** Returns the spans with the defaults filled in. */
export function fillRetention(
  given: { workspaces?: number | null | undefined; jobs?: number | null | undefined } | undefined,
): RetentionSpans {
  const { workspacesMs, jobsMs } = DEFAULT_RETENTION;
  return {
    workspacesMs: given?.workspaces === undefined ? workspacesMs : given.workspaces,
    jobsMs: given?.jobs === undefined ? jobsMs : given.jobs,
  };
}
