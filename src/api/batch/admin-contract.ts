import { z } from 'zod';
import { timeSchema } from '../contract/common.ts';

const startupSchema = z
  .strictObject({
    startupId: z.string(),
    startedAt: timeSchema,
    readyAt: timeSchema.nullable(),
    stoppedAt: timeSchema.nullable(),
    pid: z.int(),
    previousStop: z.enum(['clean', 'crash', 'reboot', 'unknown']),
    totalMs: z.number().nullable().meta({ description: 'Until it accepted work; null for a start that did not.' }),
    operations: z.array(
      z.strictObject({
        component: z.string(),
        status: z.enum(['success', 'failed']),
        durationMs: z.number(),
        retries: z.int(),
      }),
    ),
    degradedMode: z.boolean(),
    degraded: z.array(z.string()),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Startup' });
export type StartupView = z.infer<typeof startupSchema>;

export const startupLogSchema = z
  .strictObject({ currentStartup: startupSchema.nullable(), history: z.array(startupSchema) })
  .meta({ id: 'StartupLog' });

export const corruptionMetricsSchema = z
  .strictObject({
    checked: z.int(),
    ok: z.int(),
    corrupt: z.int(),
    rate: z.number(),
    files: z.array(z.string()),
    complete: z.boolean().meta({ description: 'Whether older records were checked as well.' }),
    alert: z.boolean().meta({ description: 'More than 5 % are damaged, and at least five records.' }),
  })
  .meta({ id: 'CorruptionMetrics' });
export type CorruptionMetrics = z.infer<typeof corruptionMetricsSchema>;

export const recoveryMetricsSchema = z
  .strictObject({
    startupId: z.string(),
    ready: z.boolean(),
    phase: z.string(),
    recoveryMs: z.number().nullable(),
    phases: z.array(z.strictObject({ name: z.string(), ms: z.number(), ok: z.boolean(), retries: z.int() })),
    downSeconds: z.number().nullable(),
    jobs: z.strictObject({ total: z.int(), byOutcome: z.record(z.string(), z.int()) }),
    locks: z.strictObject({ kept: z.int(), removed: z.int() }),
    orphans: z.int(),
    degraded: z.array(z.string()),
    corruption: corruptionMetricsSchema,
  })
  .meta({ id: 'RecoveryMetrics' });
export type RecoveryMetrics = z.infer<typeof recoveryMetricsSchema>;

export const metricsSchema = z
  .strictObject({
    metrics: z.array(
      z.strictObject({
        name: z.string(),
        help: z.string(),
        type: z.string(),
        values: z.array(
          z.strictObject({
            name: z.string().meta({ description: 'Differs from the metric for the buckets of a histogram.' }),
            labels: z.record(z.string(), z.union([z.string(), z.number()])),
            value: z.number().nullable(),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'Metrics' });
export type MetricView = z.infer<typeof metricsSchema>['metrics'][number];
