import { Counter, Gauge, type Registry } from 'prom-client';
import { STREAM_KINDS, STREAM_LIMITS, type StreamStats } from '../api/stream-stats.ts';

/** Adds the metrics of event streams to a registry; each is brought up to date when it is asked for. */
export function addStreamMetrics(registry: Registry, stats: StreamStats): void {
  const registers = [registry];
  const open = new Gauge({
    name: 'holdfast_streams',
    help: 'Event streams open',
    labelNames: ['kind'],
    registers,
    collect: () => {
      for (const kind of STREAM_KINDS) open.set({ kind }, stats.open[kind]);
    },
  });
  const silent = new Counter({
    name: 'holdfast_streams_closed_silent_total',
    help: 'Event streams closed because their client took nothing for too long',
    registers,
    collect: () => {
      silent.reset();
      silent.inc(stats.closedSilent);
    },
  });
  const behind = new Counter({
    name: 'holdfast_streams_fell_behind_total',
    help: 'Times a live stream of all events was too slow for the memory and read the store again',
    registers,
    collect: () => {
      behind.reset();
      behind.inc(stats.fellBehind);
    },
  });
  const refused = new Counter({
    name: 'holdfast_streams_refused_total',
    help: 'Event streams refused, by the limit that was reached',
    labelNames: ['limit'],
    registers,
    collect: () => {
      refused.reset();
      for (const limit of STREAM_LIMITS) refused.inc({ limit }, stats.refused[limit]);
    },
  });
}
