import type { Backup } from '../../lifecycle/backup.ts';
import { defineEntity } from './entities.ts';

/** Backups as they are stored. */
export const BACKUPS = defineEntity<Backup>({
  noun: 'backup',
  table: 'backups',
  key: 'id',
  chained: true,
  kinds: {
    id: 'text',
    path: 'text',
    state: 'text',
    actor: 'text',
    intendedAt: 'int',
    endedAt: 'int',
    files: 'int',
    bytes: 'int',
    lastSeq: 'int',
    manifestSha256: 'text',
    note: 'text',
    request: 'json',
  },
});
