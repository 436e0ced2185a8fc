import type { MetricObjectWithValues, MetricValue, Registry } from 'prom-client';
import type { MetricView } from '../api/batch/admin-contract.ts';

/** Returns what a registry holds now as plain values; one that is no number is null. */
export async function listMetrics(registry: Registry): Promise<MetricView[]> {
  return (await registry.getMetricsAsJSON()).map(presentMetric);
}

function presentMetric({ name, help, type, values }: MetricObjectWithValues<MetricValue<string>>): MetricView {
  return {
    name,
    help,
    type: String(type),
    values: values.map((one) => ({
      name: 'metricName' in one && typeof one.metricName === 'string' ? one.metricName : name,
      labels: Object.fromEntries(Object.entries(one.labels).map(([label, value]) => [label, value ?? ''])),
      value: Number.isFinite(one.value) ? one.value : null,
    })),
  };
}
