/** The admin routes of the batch API: what the starts of this server did and found, as JSON whatever happens. */
import type { RecoveryReport } from '../../lifecycle/report.ts';
import type { Boot } from '../../store/store.ts';
import type { Api, RouteContext } from '../api.ts';
import { noQuerySchema, showTime } from '../contract/common.ts';
import type { Services } from '../services.ts';
import {
  corruptionMetricsSchema,
  metricsSchema,
  recoveryMetricsSchema,
  startupLogSchema,
  type CorruptionMetrics,
  type RecoveryMetrics,
  type StartupView,
} from './admin-contract.ts';
import { isAlarming } from '../../lifecycle/corruption-alert.ts';
import { BATCH_TAGS } from './contract.ts';

/** Adds the routes below /api/admin; they answer while the server is recovering. */
export function addAdminRoutes(app: Api, { services }: RouteContext): void {
  const config = { whileRecovering: true } as const;
  const base = { tags: BATCH_TAGS, querystring: noQuerySchema };

  app.get(
    '/api/admin/startup-log',
    { config, schema: { ...base, summary: 'The last starts and their phases', response: { 200: startupLogSchema } } },
    async () => {
      const [current = null, ...history] = (await services.store.listBoots()).map((boot) =>
        presentStart(services, boot),
      );
      return { currentStartup: current, history };
    },
  );

  app.get(
    '/api/admin/startup-recovery-metrics',
    {
      config,
      schema: { ...base, summary: 'What the newest start recovered', response: { 200: recoveryMetricsSchema } },
    },
    async () => presentRecovery(services),
  );

  app.get(
    '/api/admin/corruption-metrics',
    {
      config,
      schema: {
        ...base,
        summary: 'Damaged records the newest start knows',
        response: { 200: corruptionMetricsSchema },
      },
    },
    async () => presentCorruption(services.currentReport()),
  );

  app.get(
    '/api/admin/metrics',
    { config, schema: { ...base, summary: 'The metrics of /metrics as JSON', response: { 200: metricsSchema } } },
    async () => ({ metrics: await services.metricValues() }),
  );
}

function presentStart(services: Services, boot: Boot): StartupView {
  const current = services.currentReport();
  const report = current?.bootId === boot.id ? current : boot.report;
  return {
    startupId: boot.id,
    startedAt: showTime(boot.startedAt),
    readyAt: showTime(boot.readyAt),
    stoppedAt: showTime(boot.stoppedAt),
    pid: boot.pid,
    previousStop: boot.previousStop,
    totalMs: report?.recoveryMs ?? null,
    operations: (report?.phases ?? []).map(({ name, ms, ok, retries }) => ({
      component: name,
      status: ok ? ('success' as const) : ('failed' as const),
      durationMs: ms,
      retries,
    })),
    degradedMode: (report?.degraded.length ?? 0) > 0,
    degraded: report?.degraded ?? [],
    warnings: report?.warnings ?? [],
  };
}

function presentRecovery(services: Services): RecoveryMetrics {
  const { ready, phase } = services.readiness();
  const report = services.currentReport();
  const outcomes: Record<string, number> = {};
  for (const { outcome } of report?.jobs ?? []) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    startupId: services.bootId,
    ready,
    phase,
    recoveryMs: report?.recoveryMs ?? null,
    phases: (report?.phases ?? []).map(({ name, ms, ok, retries }) => ({ name, ms, ok, retries })),
    downSeconds: report?.downSeconds ?? null,
    jobs: { total: report?.jobs.length ?? 0, byOutcome: outcomes },
    locks: {
      kept: report?.locks.filter(({ decision }) => decision === 'kept').length ?? 0,
      removed: report?.locks.filter(({ decision }) => decision === 'removed').length ?? 0,
    },
    orphans: report?.orphans.length ?? 0,
    degraded: report?.degraded ?? [],
    corruption: presentCorruption(report),
  };
}

function presentCorruption(report: RecoveryReport | null): CorruptionMetrics {
  const { checked, ok, corrupt, rate, files, complete } = report?.corruption ?? {
    checked: 0,
    ok: 0,
    corrupt: 0,
    rate: 0,
    files: [],
    complete: false,
  };
  return { checked, ok, corrupt, rate, files, complete, alert: isAlarming({ corrupt, rate }) };
}
