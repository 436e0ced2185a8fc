import { z } from 'zod';
import { cursorSchema, limitSchema, pageOf, timeSchema } from './common.ts';
import { jobSchema, nextSafeActionSchema } from './job.ts';

export const queueQuerySchema = z.strictObject({ cursor: cursorSchema, limit: limitSchema });

/** Whether new work may begin, and if not why and what to do. */
const admissionSchema = z
  .strictObject({
    open: z.boolean(),
    reason: z.literal('free_disk').nullable(),
    detail: z.string().nullable().meta({ description: 'A sentence for people; null while open.' }),
    hint: z.string().nullable(),
    nextSafeAction: nextSafeActionSchema,
    freeBytes: z.int().nullable(),
    neededBytes: z.int().nullable(),
    stopBytes: z.int().nullable().meta({ description: 'Running work is stopped below; null: never.' }),
  })
  .meta({ id: 'Admission' });
export type AdmissionView = z.infer<typeof admissionSchema>;

export const queuePageSchema = pageOf(jobSchema).extend({ admission: admissionSchema }).meta({ id: 'QueuePage' });

const lockSchema = z
  .strictObject({
    key: z.string(),
    boot: z.string(),
    holder: z.strictObject({ pid: z.int(), start: z.string() }),
    operation: z.string(),
    jobId: z.string().nullable(),
    acquiredAt: timeSchema,
    fence: z.int(),
  })
  .meta({ id: 'Lock' });
export type LockView = z.infer<typeof lockSchema>;

export const lockPageSchema = pageOf(lockSchema).meta({ id: 'LockPage' });
