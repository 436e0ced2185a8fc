import { z } from 'zod';
import { pageOf, timeSchema } from './common.ts';
import { nextSafeActionSchema } from './job.ts';

export const quarantineItemSchema = z
  .strictObject({
    id: z.string().meta({ description: 'Of the item, or of a job that is quarantined as a whole.' }),
    kind: z
      .string()
      .meta({ description: '`job`, `prompt`, `exit`, `output`, `counter`, …; `quarantined_job` for a whole job.' }),
    item: z.string().meta({ description: 'Id of the record, or path of the file below the home.' }),
    path: z.string(),
    why: z.string(),
    jobId: z.string().nullable(),
    boot: z.string().nullable().meta({ description: 'Start whose check found it.' }),
    foundAt: timeSchema.nullable(),
    releasedAt: timeSchema.nullable(),
    releasedBy: z.string().nullable(),
    resolution: z
      .enum(['restored', 'recounted', 'accepted', 'requeued'])
      .nullable()
      .meta({ description: 'What the release did.' }),
    nextSafeAction: nextSafeActionSchema,
    command: z.string().nullable(),
    advice: z.string(),
  })
  .meta({ id: 'QuarantineItem' });
export type QuarantineItemView = z.infer<typeof quarantineItemSchema>;

export const quarantinePageSchema = pageOf(quarantineItemSchema).meta({ id: 'QuarantinePage' });

export const quarantineQuerySchema = z.strictObject({
  cursor: z.string().min(1).max(512).optional(),
  limit: z.coerce.number().int().min(1).max(200).optional(),
  released: z.enum(['true', 'false']).optional().meta({ description: '`true` lists what was released as well.' }),
});

export const quarantineParamsSchema = z.strictObject({
  id: z.string().meta({ description: 'Of an item, or of a quarantined job.' }),
});
