import { z } from 'zod';
import { DELIVERY_STATES, JOB_CALLBACK_TYPES } from '../../lifecycle/delivery.ts';
import { cursorSchema, limitSchema, pageOf, timeSchema } from './common.ts';

/** Targets one job may name. */
const MAX_CALLBACKS = 10;

/** `completed` is taken for `job.completed`. */
const eventSchema = z
  .string()
  .transform((name) => (name.startsWith('job.') ? name : `job.${name}`))
  .pipe(z.enum(JOB_CALLBACK_TYPES, `must be one of ${JOB_CALLBACK_TYPES.join(', ')}`))
  .meta({ description: `One of ${JOB_CALLBACK_TYPES.join(', ')}.` });

/** Who is told of the ways of a job, and of which. */
export const callbacksSchema = z
  .array(
    z.strictObject({
      url: z.string().min(1).max(2048).meta({ description: 'http or https, on a public address or one allowed.' }),
      events: z.array(eventSchema).min(1).optional().meta({ description: 'Absent means every event.' }),
    }),
  )
  .max(MAX_CALLBACKS)
  .superRefine((callbacks, context) => {
    if (new Set(callbacks.map(({ url }) => url)).size === callbacks.length) return;
    context.addIssue({ code: 'custom', message: 'names one url twice; list all its events at once' });
  });

export const deliveryQuerySchema = z.strictObject({
  state: z.enum(DELIVERY_STATES).optional(),
  job: z.string().min(1).max(64).optional().meta({ description: 'Number, id, or unique prefix of an id.' }),
  cursor: cursorSchema,
  limit: limitSchema,
});

export const deliveryParamsSchema = z.strictObject({ id: z.string().min(1).max(64) });

export const deliverySchema = z
  .strictObject({
    id: z.string().meta({ description: 'The `webhook-id` of the message.' }),
    type: z.string(),
    jobId: z.string().nullable().meta({ description: 'Null for what the server tells of itself.' }),
    url: z.string(),
    state: z.enum(DELIVERY_STATES),
    tries: z.int(),
    redeliveries: z.int(),
    nextAt: timeSchema
      .nullable()
      .meta({ description: 'When it is due; null while it waits for an earlier one, or is over.' }),
    lastStatus: z.int().nullable(),
    lastError: z.string().nullable(),
    createdAt: timeSchema,
    finishedAt: timeSchema.nullable(),
    version: z.int(),
  })
  .meta({ id: 'Delivery' });
export type DeliveryView = z.infer<typeof deliverySchema>;

export const deliveryPageSchema = pageOf(deliverySchema).meta({ id: 'DeliveryPage' });

export const callbackSecretSchema = z
  .strictObject({
    current: z.string().meta({ description: 'Signs every message: `whsec_` and base64.' }),
    previous: z
      .array(z.strictObject({ secret: z.string(), until: timeSchema }))
      .meta({ description: 'Still sign beside it, each until its time.' }),
  })
  .meta({ id: 'CallbackSecret' });
export type CallbackSecretView = z.infer<typeof callbackSecretSchema>;
