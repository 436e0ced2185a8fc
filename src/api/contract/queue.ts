import { z } from 'zod';
import { cursorSchema, limitSchema, pageOf, timeSchema } from './common.ts';

export const queueQuerySchema = z.strictObject({ cursor: cursorSchema, limit: limitSchema });

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
