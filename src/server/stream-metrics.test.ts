import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { createStreamStats } from '../api/stream-stats.ts';
import { addStreamMetrics } from './stream-metrics.ts';

test('the counts of the streams are told as they are, however often they are asked for', async () => {
  const registry = new Registry();
  const stats = createStreamStats();
  addStreamMetrics(registry, stats);
  await registry.metrics();
  stats.open.job = 2;
  stats.closedSilent = 3;
  stats.fellBehind = 4;
  stats.refused.principal = 5;
  await registry.metrics();
  const text = await registry.metrics();
  for (const line of [
    'holdfast_streams{kind="events"} 0',
    'holdfast_streams{kind="job"} 2',
    'holdfast_streams_closed_silent_total 3',
    'holdfast_streams_fell_behind_total 4',
    'holdfast_streams_refused_total{limit="principal"} 5',
    'holdfast_streams_refused_total{limit="total"} 0',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} is not in\n${text}`);
  }
});
