import { z } from 'zod';
import { STAGES } from '../../lifecycle/stage.ts';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import { pageOf, timeSchema } from './common.ts';
import { nextSafeActionSchema } from './job.ts';

const previousStopSchema = z.enum(['clean', 'crash', 'reboot', 'unknown']);

const evidenceSchema = z.strictObject({
  kind: z.string(),
  path: z.string(),
  sha256: z.string().optional(),
  note: z.string(),
});

const findingSchema = z
  .strictObject({
    id: z.string(),
    number: z.int(),
    stateBefore: z.enum(JOB_STATES),
    stageBefore: z.enum(STAGES),
    verdict: z.string().nullable(),
    outcome: z.enum([
      'reattached',
      'completed_while_down',
      'stopped_while_down',
      'resumed_warm',
      'restarted_cold',
      'requeued',
      'quarantined',
      'unchanged',
    ]),
    evidence: z.array(evidenceSchema),
    worker: z.strictObject({ attempt: z.int(), pid: z.int(), start: z.string(), alive: z.boolean() }).nullable(),
    lastDurableArtifact: z.string().nullable(),
    outputBytesBefore: z.int(),
    outputBytesNow: z.int(),
    workLostSeconds: z.number(),
    blocker: z.string().nullable(),
    nextSafeAction: nextSafeActionSchema,
    command: z.string().nullable(),
  })
  .meta({ id: 'JobFinding' });

const corruptItemSchema = z.strictObject({
  id: z.string().meta({ description: 'Of the quarantine: POST /v1/quarantine/{id}/release.' }),
  kind: z.string(),
  item: z.string(),
  path: z.string(),
  why: z.string(),
  jobId: z.string().nullable(),
  nextSafeAction: nextSafeActionSchema,
  command: z.string().nullable(),
  advice: z.string(),
});

export const recoveryReportSchema = z
  .strictObject({
    bootId: z.string(),
    previousBootId: z.string().nullable(),
    previousStop: previousStopSchema,
    downSeconds: z.number().nullable(),
    recoveryMs: z.number(),
    phases: z.array(
      z.strictObject({
        name: z.string(),
        ms: z.number(),
        ok: z.boolean(),
        retries: z.int(),
        counts: z.record(z.string(), z.number()).optional(),
      }),
    ),
    jobs: z.array(findingSchema),
    locks: z.array(z.strictObject({ key: z.string(), decision: z.enum(['kept', 'removed']), why: z.string() })),
    leases: z.array(z.strictObject({ key: z.string(), decision: z.enum(['kept', 'released']), why: z.string() })),
    deliveries: z.array(
      z.strictObject({
        state: z.enum(['sending', 'pending', 'retrying']),
        count: z.int(),
        decision: z.enum(['returned', 'rescheduled']),
      }),
    ),
    removals: z.array(z.never()),
    orphans: z.array(z.strictObject({ kind: z.string(), path: z.string(), note: z.string() })),
    corruption: z.strictObject({
      checked: z.int(),
      ok: z.int(),
      corrupt: z.int(),
      rate: z.number(),
      files: z.array(z.string()),
      complete: z.boolean().meta({ description: 'Whether all history was checked, or only live records so far.' }),
      alert: z.boolean().optional().meta({ description: 'More than 5 % are damaged, and at least five records.' }),
      kinds: z.record(z.string(), z.strictObject({ checked: z.int(), corrupt: z.int() })).optional(),
      items: z.array(corruptItemSchema).optional(),
    }),
    degraded: z.array(z.string()).meta({ description: '`<resource>: why` of each that is not available.' }),
    restored: z
      .strictObject({ backupId: z.string(), madeAt: z.int(), restoredAt: z.int(), note: z.string() })
      .optional()
      .meta({ description: 'The backup this home was made from, until a start of it was ready.' }),
    abortedStarts: z
      .array(z.strictObject({ bootId: z.string(), phase: z.string(), at: z.int(), error: z.string().nullable() }))
      .optional()
      .meta({ description: 'Starts between the last ready one and this, with the phase each ended in.' }),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'RecoveryReport' });

const bootSchema = z
  .strictObject({
    bootId: z.string(),
    previousBootId: z.string().nullable(),
    previousStop: previousStopSchema,
    hostBoot: z.string(),
    pid: z.int(),
    startedAt: timeSchema,
    readyAt: timeSchema.nullable(),
    stoppedAt: timeSchema.nullable(),
    report: recoveryReportSchema.nullable(),
  })
  .meta({ id: 'Boot' });
export type BootView = z.infer<typeof bootSchema>;

export const bootPageSchema = pageOf(bootSchema).meta({ id: 'BootPage' });

export const bootParamsSchema = z.strictObject({
  bootId: z.string().meta({ description: 'Id of a start, or `latest`.' }),
});
