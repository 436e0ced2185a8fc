import { z } from 'zod';
import { isError } from '../../kernel/errors.ts';
import { BACKUP_STATES, type Backup } from '../../lifecycle/backup.ts';
import { pageOf, showTime, timeSchema } from './common.ts';

/** Longest a client may ask to wait for the end of a backup, milliseconds. */
const MAX_WAIT_MS = 20_000;

const progressSchema = z
  .strictObject({
    phase: z.enum(['database', 'jobs', 'mirrors', 'check']),
    jobs: z.int(),
    jobsTotal: z.int(),
    files: z.int(),
    bytes: z.int(),
  })
  .meta({ id: 'BackupProgress' });

export const backupSchema = z
  .strictObject({
    id: z.string(),
    path: z.string(),
    state: z.enum(BACKUP_STATES),
    actor: z.string(),
    intendedAt: timeSchema,
    endedAt: timeSchema.nullable(),
    files: z.int().nullable(),
    bytes: z.int().nullable(),
    lastSeq: z.int().nullable().meta({ description: 'Last event of the journal that is in it.' }),
    manifestSha256: z.string().nullable(),
    note: z.string().nullable().meta({ description: 'What it lacks, why it failed, or from where it was restored.' }),
    errorCode: z.string().nullable().meta({ description: 'Why it failed, while the server that made it lives.' }),
    progress: progressSchema.nullable().meta({ description: 'While this server makes it.' }),
  })
  .meta({ id: 'Backup' });
export type BackupView = z.infer<typeof backupSchema>;

export const backupPageSchema = pageOf(backupSchema).meta({ id: 'BackupPage' });

export const newBackupSchema = z
  .strictObject({
    path: z
      .string()
      .min(1)
      .max(4096)
      .meta({ description: 'Absolute path, on the machine of the server, of a directory that does not exist yet.' }),
  })
  .meta({ id: 'NewBackup' });

export const backupParamsSchema = z.strictObject({ id: z.string() });

export const backupQuerySchema = z.strictObject({
  waitMs: z.coerce
    .number()
    .int()
    .min(0)
    .max(MAX_WAIT_MS)
    .optional()
    .meta({ description: 'Answer when it has ended, or after so many milliseconds.' }),
});

/** Returns a backup as the API shows it. */
export function presentBackup(
  { request: _request, ...backup }: Backup,
  live: { progress: BackupView['progress']; error: Error | null },
): BackupView {
  const { progress, error } = live;
  return {
    ...backup,
    intendedAt: showTime(backup.intendedAt),
    endedAt: showTime(backup.endedAt),
    errorCode: backup.state === 'failed' && isError(error) ? error.code : null,
    progress: backup.state === 'making' ? progress : null,
  };
}
