import { z } from 'zod';
import { pageOf, timeSchema } from './common.ts';

export const jobFileSchema = z
  .strictObject({
    name: z.string(),
    size: z.int().meta({ description: 'Bytes.' }),
    sha256: z.string(),
    overwrite: z.boolean().meta({ description: 'It may take the place of a file of the repository.' }),
    uploadedAt: timeSchema,
  })
  .meta({ id: 'JobFile' });
export type JobFileView = z.infer<typeof jobFileSchema>;

export const jobFilePageSchema = pageOf(jobFileSchema).meta({ id: 'JobFilePage' });

export const jobFileParamsSchema = z.strictObject({
  id: z.string().meta({ description: 'Number, id, or unique prefix of an id.' }),
  name: z.string().meta({ description: 'One plain name, percent-encoded.' }),
});

export const uploadQuerySchema = z.strictObject({
  overwrite: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'True lets it take the place of a file of the repository with the same name.' }),
});
