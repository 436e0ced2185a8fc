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

const holderSchema = z.strictObject({ pid: z.int(), start: z.string() });

const lockSchema = z
  .strictObject({
    key: z.string().meta({ description: '`repo:<name>` or `tests:<name>`.' }),
    damaged: z.string().nullable().meta({ description: 'Why its record cannot be trusted; then the rest is null.' }),
    boot: z.string().nullable(),
    holder: holderSchema.nullable(),
    operation: z.string().nullable(),
    jobId: z.string().nullable(),
    acquiredAt: timeSchema.nullable(),
    fence: z.int().nullable(),
  })
  .meta({ id: 'Lock' });
export type LockView = z.infer<typeof lockSchema>;

export const lockParamsSchema = z.strictObject({ key: z.string().min(1).max(128) });

const leaseSchema = z
  .strictObject({
    key: z.string().meta({
      description: '`workspace:<job id>`, `branch:<repository>:<branch>` or `surface:<job id>`.',
    }),
    kind: z.enum(['workspace', 'branch', 'surface']),
    paths: z.array(z.string()).nullable().meta({ description: 'What a surface covers; null for every other kind.' }),
    waiting: z.array(z.int()).meta({ description: 'Numbers of the jobs that wait for a surface.' }),
    atWork: z.boolean().meta({ description: 'False: between two of its stages, or quarantined.' }),
    jobId: z.string(),
    number: z.int(),
    repositories: z.array(z.string()),
    fence: z.int(),
    boot: z.string().meta({ description: 'Start of the server that took it.' }),
    attempt: z.string().nullable(),
    holder: holderSchema.nullable().meta({ description: 'The keeper, or the agent; null while there is none.' }),
    acquiredAt: timeSchema.nullable(),
    expiresAt: timeSchema.nullable().meta({ description: 'Null: it ends with its holder.' }),
  })
  .meta({ id: 'Lease' });
export type LeaseView = z.infer<typeof leaseSchema>;

export const leasePageSchema = pageOf(leaseSchema).meta({ id: 'LeasePage' });

export const lockPageSchema = pageOf(lockSchema).meta({ id: 'LockPage' });
