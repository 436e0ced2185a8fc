import { WAITING_DEFECTS } from './seeded-defects-waiting.ts';
import type { SeededDefect } from './seeded-defect.ts';
import { ATTEMPT_DEFECTS } from './seeded-defects-attempts.ts';
import { BACKUP_DEFECTS } from './seeded-defects-backup.ts';
import { CALLBACK_DEFECTS } from './seeded-defects-callbacks.ts';
import { CLEANING_DEFECTS } from './seeded-defects-cleaning.ts';
import { DURABILITY_DEFECTS } from './seeded-defects-durability.ts';
import { ENDING_DEFECTS } from './seeded-defects-ending.ts';
import { FAULT_DEFECTS } from './seeded-defects-faults.ts';
import { KEEPER_DEFECTS } from './seeded-defects-keeper.ts';
import { OPERATOR_DEFECTS } from './seeded-defects-operator.ts';
import { PIPELINE_DEFECTS } from './seeded-defects-pipeline.ts';
import { RECOVERY_DEFECTS } from './seeded-defects-recovery.ts';
import { RETENTION_DEFECTS } from './seeded-defects-retention.ts';
import { LEASE_DEFECTS } from './seeded-defects-leases.ts';
import { LIVE_DEFECTS } from './seeded-defects-live.ts';
import { SCRUB_DEFECTS } from './seeded-defects-scrub.ts';
import { SERVER_DEFECTS } from './seeded-defects-server.ts';
import { STATISTICS_DEFECTS } from './seeded-defects-statistics.ts';

/** Every seeded defect; `docs/seeded-defects.md` lists them. */
export const SEEDED_DEFECTS: readonly SeededDefect[] = [
  ...ATTEMPT_DEFECTS,
  ...KEEPER_DEFECTS,
  ...ENDING_DEFECTS,
  ...SERVER_DEFECTS,
  ...LIVE_DEFECTS,
  ...WAITING_DEFECTS,
  ...CALLBACK_DEFECTS,
  ...DURABILITY_DEFECTS,
  ...RETENTION_DEFECTS,
  ...CLEANING_DEFECTS,
  ...STATISTICS_DEFECTS,
  ...RECOVERY_DEFECTS,
  ...BACKUP_DEFECTS,
  ...PIPELINE_DEFECTS,
  ...FAULT_DEFECTS,
  ...SCRUB_DEFECTS,
  ...OPERATOR_DEFECTS,
  ...LEASE_DEFECTS,
];
