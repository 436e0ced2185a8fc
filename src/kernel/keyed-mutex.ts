/** One body at a time per key, in the order they came. */
export interface KeyedMutex {
  /** Runs `body` when every earlier one of this key has ended, and returns what it returns. */
  run<T>(key: string, body: () => Promise<T>): Promise<T>;
}

/** Returns a mutex of this process: for files two of its parts may want to move at once. */
export function createKeyedMutex(): KeyedMutex {
  const tails = new Map<string, Promise<void>>();
  return {
    async run(key, body) {
      const before = tails.get(key);
      const { promise: tail, resolve: release } = Promise.withResolvers<void>();
      tails.set(key, tail);
      try {
        await before;
        return await body();
      } finally {
        release();
        if (tails.get(key) === tail) tails.delete(key);
      }
    },
  };
}
