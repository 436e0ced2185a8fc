/** Metrics in their smallest form, and the real statistics over the real store. */
import { systemClock } from '../kernel/clock.ts';
import type { Home } from '../lifecycle/home.ts';
import { createStatistics } from '../statistics/statistics.ts';
import type { Store } from '../store/store.ts';
import type { Services } from './services.ts';

export type Numbers = Pick<Services, 'hostLimit' | 'metrics' | 'metricValues' | 'statistics'>;

/** Returns what the tests of this room need of numbers, already counting; `stop` ends that, and then the store. */
export async function numberServices(
  store: Store,
  home: Home,
): Promise<{ services: Numbers; stop: () => Promise<void> }> {
  const none = (): undefined => undefined;
  const log = { debug: none, info: none, warn: none, error: none };
  const statistics = createStatistics({ store, clock: systemClock, log, path: home.statisticsFile, onDamage: none });
  await statistics.start();
  const services: Numbers = {
    statistics,
    hostLimit: 1000,
    metricValues: async () => [{ name: 'holdfast_up', help: 'up', type: 'gauge', values: [] }],
    metrics: async () => 'holdfast_up 1\n',
  };
  const stop = async (): Promise<void> => {
    await statistics.stop();
    await store.stop();
  };
  return { services, stop };
}
