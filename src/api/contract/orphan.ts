import { z } from 'zod';
import { ORPHAN_ACTIONS, ORPHAN_KINDS } from '../../lifecycle/orphan.ts';

/** Most findings one answer names. */
const MAX_ORPHANS = 1000;
export const DEFAULT_ORPHANS = 200;

export const orphanSchema = z
  .strictObject({
    id: z.string().meta({ description: 'The same from look to look.' }),
    kind: z.enum(ORPHAN_KINDS),
    path: z.string().nullable(),
    identity: z.string().nullable(),
    jobId: z.string().nullable(),
    ageMs: z.int().nullable(),
    ours: z.boolean().meta({ description: 'Provably of Holdfast and of nothing else; only then anything is done.' }),
    why: z.string().meta({ description: 'By what it is ours, or why that is not certain.' }),
    action: z.enum(ORPHAN_ACTIONS),
    note: z.string(),
  })
  .meta({ id: 'Orphan' });
export type OrphanView = z.infer<typeof orphanSchema>;

export const orphanListSchema = z
  .strictObject({
    items: z.array(orphanSchema),
    counts: z.record(z.enum(ORPHAN_KINDS), z.int()),
    total: z.int().meta({ description: 'All findings, those beyond `limit` included.' }),
    ours: z.int(),
  })
  .meta({ id: 'Orphans' });
export type OrphanListView = z.infer<typeof orphanListSchema>;

export const orphanQuerySchema = z.strictObject({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_ORPHANS)
    .optional()
    .meta({ description: `Default ${DEFAULT_ORPHANS}.` }),
});

export const repairBodySchema = z
  .strictObject({
    ids: z
      .array(z.string().regex(/^orph_[0-9a-f]{20}$/, 'is not the id of an orphan'))
      .min(1)
      .max(MAX_ORPHANS),
    dryRun: z
      .boolean()
      .optional()
      .meta({ default: true, description: 'True says what would be done, and does nothing.' }),
  })
  .meta({ id: 'RepairOrphans' });

export const repairSchema = z
  .strictObject({
    dryRun: z.boolean(),
    items: z.array(
      z.strictObject({
        id: z.string(),
        orphan: orphanSchema.nullable(),
        outcome: z.enum(['would', 'done', 'gone', 'refused', 'failed']),
        detail: z.string(),
      }),
    ),
  })
  .meta({ id: 'OrphanRepair' });
export type RepairView = z.infer<typeof repairSchema>;
