/** How often somebody may be wrong about a password: by name and address, and by address alone, within a window. */
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/hash.ts';

/** Failures of one name from one address, and of one address over all names, before it has to wait. */
const MAX_PER_NAME = 10;
const MAX_PER_ADDRESS = 100;
const WINDOW_MS = 15 * 60_000;
/** Counters kept at once; the oldest go first, so that made-up names cannot fill the memory. */
const MAX_KEPT = 10_000;

interface Count {
  failures: number;
  endsAt: number;
}

export interface LoginLimit {
  /**
   * Counts a try before its password is looked at, so that many at once are counted too. Returns the seconds to wait, or
   * null when it may go on.
   */
  begin(name: string, address: string): number | null;
  /** Takes the count of a try that succeeded back, and those of its name before it. */
  succeed(name: string, address: string): void;
}

/** Returns a limit in memory, on the monotonic clock: a restart forgets it (docs/adr/0028), a clock that is set does not. */
export function createLoginLimit(clock: Clock): LoginLimit {
  const counts = new Map<string, Count>();
  // Names may be passwords typed into the wrong field: only their hash is kept.
  const keysOf = (name: string, address: string): { key: string; most: number }[] => [
    { key: `${address} ${sha256(name)}`, most: MAX_PER_NAME },
    { key: address, most: MAX_PER_ADDRESS },
  ];
  const read = (key: string): Count => {
    const count = counts.get(key);
    return count === undefined || count.endsAt <= clock.monotonic()
      ? { failures: 0, endsAt: clock.monotonic() + WINDOW_MS }
      : count;
  };
  return {
    begin(name, address) {
      const found = keysOf(name, address).map(({ key, most }) => ({ key, most, count: read(key) }));
      const full = found.filter(({ most, count }) => count.failures >= most);
      if (full.length > 0) {
        const endsAt = Math.max(...full.map(({ count }) => count.endsAt));
        return Math.max(1, Math.ceil((endsAt - clock.monotonic()) / 1000));
      }
      for (const { key, count } of found) {
        counts.delete(key);
        counts.set(key, { ...count, failures: count.failures + 1 });
      }
      for (const key of counts.keys()) {
        if (counts.size <= MAX_KEPT) break;
        counts.delete(key);
      }
      return null;
    },
    succeed(name, address) {
      const [own, all] = keysOf(name, address);
      if (own !== undefined) counts.delete(own.key);
      const count = all === undefined ? undefined : counts.get(all.key);
      if (count !== undefined) count.failures = Math.max(0, count.failures - 1);
    },
  };
}
