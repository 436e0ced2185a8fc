/**
 * The frames of the two event streams. Every frame but `boot` of `/v1/events` carries as id the whole position of the
 * reader, so that any id a client saw last resumes without a gap or a repeat, also across restarts of the server.
 */
import { z } from 'zod';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import { streamNameSchema } from './attempt.ts';
import { timeSchema } from './common.ts';

export const streamQuerySchema = z.strictObject({ stream: streamNameSchema.optional().meta({ default: 'stdout' }) });

/** First frame of every stream: which start of the server answers. */
const bootFrameSchema = z.strictObject({ bootId: z.string() }).meta({ id: 'BootFrame' });

/** Bytes of an attempt's output, exact: base64, since a chunk may end within a character or hold any byte. */
const outputFrameSchema = z
  .strictObject({
    attempt: z.int().min(1),
    stream: streamNameSchema,
    offset: z.int().min(0).meta({ description: 'Of the first byte of `data`.' }),
    data: z.base64(),
  })
  .meta({ id: 'OutputFrame' });

/** One event of the job; the fields are those it changed, null for the others. */
const stateFrameSchema = z
  .strictObject({
    seq: z.int(),
    at: timeSchema,
    kind: z.string(),
    attemptId: z.string().nullable(),
    state: z.enum(JOB_STATES).nullable(),
    outcome: z.string().nullable(),
    reason: z.string().nullable(),
    blocker: z.string().nullable(),
    exitCode: z.int().nullable(),
  })
  .meta({ id: 'StateFrame' });

/** Last frame: the job has ended and everything it printed was sent. */
const endFrameSchema = z
  .strictObject({
    state: z.enum(JOB_STATES),
    outcome: z.string().nullable(),
    reason: z.string().nullable(),
    exitCode: z.int().nullable(),
  })
  .meta({ id: 'EndFrame' });

/** Last frame of a stream that is to be opened again, from its id: the server stops, or the stream had its time. */
const byeFrameSchema = z.strictObject({ reason: z.enum(['stopping', 'renew']) }).meta({ id: 'ByeFrame' });

export type ByeFrame = z.infer<typeof byeFrameSchema>;
export type BootFrame = z.infer<typeof bootFrameSchema>;
export type OutputFrame = z.infer<typeof outputFrameSchema>;
export type StateFrame = z.infer<typeof stateFrameSchema>;
export type EndFrame = z.infer<typeof endFrameSchema>;
