import { z } from 'zod';
import { cursorSchema, limitSchema, pageOf, timeSchema } from './common.ts';

/** One row of the journal, as lists and streams show it. */
const eventSchema = z
  .strictObject({
    seq: z.int().meta({ description: 'Grows over the whole server; also the id of its SSE frame.' }),
    at: timeSchema,
    actor: z.string(),
    kind: z.string().meta({ description: '`job.claim`, `attempt.finish`, `repository.update`, …' }),
    subject: z.string(),
    jobId: z.string().nullable(),
    attemptId: z.string().nullable(),
    data: z.record(z.string(), z.unknown()).meta({ description: 'Every field the write changed, with its new value.' }),
    hash: z.string(),
  })
  .meta({ id: 'Event' });
export type EventView = z.infer<typeof eventSchema>;

export const eventPageSchema = pageOf(eventSchema).meta({ id: 'EventPage' });

export const timelineQuerySchema = z.strictObject({ cursor: cursorSchema, limit: limitSchema });

export const eventQuerySchema = z.strictObject({
  after: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Events after this sequence. Default: a stream starts now, a list at the first event.' }),
  cursor: cursorSchema,
  limit: limitSchema.meta({ description: 'With `cursor`: of a list (Accept: application/json) only.' }),
});
