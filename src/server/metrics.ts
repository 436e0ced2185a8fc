import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { observeDamageIn } from './damage-metrics.ts';
import { observeRetentionIn } from './retention-metrics.ts';
import type { RetentionState } from '../recovery/retention/retention-keeper.ts';
import { observeWaitingIn } from './waiting-metrics.ts';
import type { Admission } from '../queue/admission.ts';
import type { DiskState } from '../queue/disk-level.ts';
import type { MetricView } from '../api/batch/admin-contract.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Corruption } from '../lifecycle/report.ts';
import type { Statistics } from '../statistics/statistics.ts';
import type { Store } from '../store/store.ts';
import { observeStatisticsIn } from './statistics-metrics.ts';
import { listMetrics } from './list-metrics.ts';
import { addStreamMetrics } from './stream-metrics.ts';
import type { StreamStats } from '../api/stream-stats.ts';

export interface Metrics {
  /** Prometheus text. */
  render(): Promise<string>;
  /** The same as values. */
  list(): Promise<MetricView[]>;
  observeRecovery(ms: number, reattached: number): void;
  countTranscriptMismatch(): void;
}

interface MetricsInput {
  statistics: Pick<Statistics, 'read'>;
  store: Store;
  clock: Clock;
  countRuns: () => number;
  fetches: { fetched: number; shared: number };
  streamStats: StreamStats;
  version: string;
  admission: Admission;
  corruption: () => Corruption;
  retention: () => RetentionState;
}

/** Returns the metrics of one server; counts of jobs are read from the store when asked for. */
export function createMetrics(input: MetricsInput): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'holdfast_' });
  const registers = [registry];
  const info = new Gauge({ name: 'holdfast_info', help: 'Version of the server', labelNames: ['version'], registers });
  info.set({ version: input.version }, 1);
  const jobs = new Gauge({ name: 'holdfast_jobs', help: 'Jobs by state', labelNames: ['state'], registers });
  const runs = new Gauge({ name: 'holdfast_attempts_live', help: 'Attempts followed by this server', registers });
  const seq = new Gauge({ name: 'holdfast_journal_seq', help: 'Last journal sequence', registers });
  const bytes = new Gauge({ name: 'holdfast_database_bytes', help: 'Size of the database', registers });
  const help = 'Time of a group commit in milliseconds, by quantile';
  const commit = new Gauge({ name: 'holdfast_commit_ms', help, labelNames: ['quantile'], registers });
  const observeWaiting = observeWaitingIn(registry, input);
  const observeCleaning = observeCleaningIn(registry, input);
  const observeStatistics = observeStatisticsIn(registry, input.statistics);
  addStreamMetrics(registry, input.streamStats);
  const recovery = new Histogram({
    name: 'holdfast_recovery_ms',
    help: 'Time from start to accepting work, milliseconds',
    buckets: [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 60_000],
    registers,
  });
  const reattached = new Gauge({ name: 'holdfast_reattached', help: 'Attempts reattached by this start', registers });
  const mismatches = new Counter({
    name: 'holdfast_transcript_mismatches_total',
    help: 'Transcripts read that were not the ones recorded',
    registers,
  });
  const disk = createDiskGauges(registers);
  const showDeliveries = createDeliveryGauges(registers);
  const damage = observeDamageIn(registry);
  const metrics: Metrics = {
    countTranscriptMismatch: () => mismatches.inc(),
    observeRecovery(ms, count) {
      recovery.observe(ms);
      reattached.set(count);
    },
    async render() {
      for (const [state, count] of Object.entries(await input.store.countJobsByState())) jobs.set({ state }, count);
      showDeliveries(await input.store.deliveryStats(), input.clock.now());
      await observeWaiting();
      runs.set(input.countRuns());
      await observeCleaning();
      observeStatistics();
      const stats = await input.store.stats();
      seq.set(stats.lastSeq);
      bytes.set(stats.databaseBytes);
      commit.set({ quantile: '0.5' }, stats.commitMsP50);
      commit.set({ quantile: '0.99' }, stats.commitMsP99);
      disk(await input.admission.look());
      damage(input.corruption(), await input.store.countQuarantine());
      return registry.metrics();
    },
    async list() {
      // Brings every value up to date.
      await metrics.render();
      return listMetrics(registry);
    },
  };
  return metrics;
}

/** Returns what brings the counts of external resources and of what goes by age up to date. */
function observeCleaningIn(registry: Registry, input: MetricsInput): () => Promise<void> {
  const observeRetention = observeRetentionIn(registry, input.retention);
  const registers = [registry];
  const resources = new Gauge({
    name: 'holdfast_resources',
    help: 'External resources of jobs that are not removed, by state',
    labelNames: ['state'],
    registers,
  });
  return async () => {
    observeRetention();
    for (const [state, n] of Object.entries(await input.store.countResources())) resources.set({ state }, n);
  };
}

/** Returns what shows a look at the disk. */
function createDiskGauges(registers: Registry[]): (state: DiskState | null) => void {
  const free = new Gauge({ name: 'holdfast_disk_free_bytes', help: 'Free space on the disk of the home', registers });
  const needed = new Gauge({
    name: 'holdfast_disk_needed_bytes',
    help: 'Free space below which new work waits',
    registers,
  });
  const open = new Gauge({ name: 'holdfast_admission_open', help: '1 while new work may begin, else 0', registers });
  return (state) => {
    open.set(state === null || state.level === 'ok' ? 1 : 0);
    if (state === null) return;
    free.set(state.freeBytes);
    needed.set(state.neededBytes);
  };
}

/** Returns what shows the callback messages. */
function createDeliveryGauges(
  registers: Registry[],
): (stats: Awaited<ReturnType<Store['deliveryStats']>>, now: number) => void {
  const byState = new Gauge({
    name: 'holdfast_deliveries',
    help: 'Callback messages by state',
    labelNames: ['state'],
    registers,
  });
  const oldest = new Gauge({
    name: 'holdfast_delivery_oldest_seconds',
    help: 'Age of the oldest callback message that is neither sent nor given up; 0 when there is none',
    registers,
  });
  return (stats, now) => {
    for (const [state, count] of Object.entries(stats.byState)) byState.set({ state }, count);
    oldest.set(stats.oldestUnfinishedAt === null ? 0 : Math.max(0, (now - stats.oldestUnfinishedAt) / 1000));
  };
}
