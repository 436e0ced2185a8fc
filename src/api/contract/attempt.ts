import { z } from 'zod';
import { STAGES, STAGE_TASKS } from '../../lifecycle/stage.ts';
import { ATTEMPT_STATES } from '../../lifecycle/transitions.ts';
import { pageOf, timeSchema } from './common.ts';

const processSchema = z.strictObject({ pid: z.int(), start: z.string() }).meta({
  description: 'Process id with its start time in clock ticks since boot: a bare pid means nothing.',
});

export const attemptSchema = z
  .strictObject({
    id: z.string(),
    jobId: z.string(),
    number: z.int().min(1),
    state: z.enum(ATTEMPT_STATES),
    stage: z.enum(STAGES),
    gate: z.string().nullable().meta({ description: 'Gate it passes, in the stages that have several.' }),
    task: z.enum(STAGE_TASKS).nullable().meta({ description: 'What its agent was asked to do.' }),
    epoch: z.int(),
    fence: z.int(),
    mode: z.enum(['warm', 'cold']),
    sessionId: z.string().nullable(),
    limits: z.strictObject({ wallMs: z.int(), idleMs: z.int(), outputBytes: z.int() }),
    boot: z.string(),
    agent: processSchema.nullable(),
    keeper: processSchema.nullable(),
    verdict: z.string().nullable(),
    exitCode: z.int().nullable(),
    exitSignal: z.string().nullable(),
    stoppedBy: z.string().nullable(),
    outputBytes: z.int(),
    outputSha256: z
      .string()
      .nullable()
      .meta({ description: 'Of the first `outputBytes` bytes of its output, once it is over.' }),
    outputFile: z.string(),
    stalled: z
      .boolean()
      .meta({ description: 'Its keeper lives and gives no sign of it: stopped, or its heartbeat is overdue.' }),
    evidenceLevel: z.enum(['cgroup', 'token']).nullable(),
    note: z.string().nullable(),
    intendedAt: timeSchema,
    startedAt: timeSchema.nullable(),
    endedAt: timeSchema.nullable(),
    version: z.int(),
  })
  .meta({ id: 'Attempt' });
export type AttemptView = z.infer<typeof attemptSchema>;

export const attemptPageSchema = pageOf(attemptSchema).meta({ id: 'AttemptPage' });

export const attemptParamsSchema = z.strictObject({
  id: z.string(),
  number: z.coerce.number().int().min(1).max(1_000_000),
});

export const streamNameSchema = z.enum(['stdout', 'stderr']);
export type StreamName = z.infer<typeof streamNameSchema>;

export const outputQuerySchema = z.strictObject({
  attempt: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Default: the newest attempt that has output.' }),
  stream: streamNameSchema.optional().meta({ default: 'stdout' }),
});
