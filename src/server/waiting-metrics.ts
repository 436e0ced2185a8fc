import { Counter, Gauge, type Registry } from 'prom-client';
import type { Store } from '../store/store.ts';

/** Adds the metrics of waiting jobs to a registry; returns what brings them up to date. */
export function observeWaitingIn(
  registry: Registry,
  input: { store: Store; fetches: { fetched: number; shared: number } },
): () => Promise<void> {
  const registers = [registry];
  const fetches = new Counter({
    name: 'holdfast_fetches_total',
    help: 'Needs for a fetch: fetched from the source, or shared with a job that had fetched for its whole batch',
    labelNames: ['how'],
    registers,
  });
  const waiting = new Gauge({
    name: 'holdfast_repositories_waiting',
    help: 'Repositories whose jobs wait: unavailable, or with a source that does not answer',
    labelNames: ['why'],
    registers,
  });
  return async () => {
    fetches.reset();
    for (const how of ['fetched', 'shared'] as const) fetches.inc({ how }, input.fetches[how]);
    const places = await input.store.listPlaces();
    waiting.set({ why: 'unavailable' }, places.filter((one) => one.unavailable !== null).length);
    waiting.set({ why: 'source_silent' }, places.filter((one) => one.trouble !== null).length);
  };
}
