import { watch, type FSWatcher } from 'node:fs';

/** Fallback for missed events, a directory that does not exist yet, or no inotify watches left, milliseconds. */
const FALLBACK_MS = 1000;

/** Calls `onGrowth` whenever a file of the run directory changed, at least every second; returns the way to stop. */
export function watchRunDirectory(runDir: string, onGrowth: () => void): () => void {
  let watcher: FSWatcher | null = null;
  const tryWatch = (): void => {
    if (watcher !== null) return;
    try {
      watcher = watch(runDir, onGrowth);
      watcher.on('error', () => {
        watcher?.close();
        watcher = null;
      });
    } catch {
      // Not there yet, or the watches of this user are used up: the timer carries on alone.
      watcher = null;
    }
  };
  tryWatch();
  const timer = setInterval(() => {
    tryWatch();
    onGrowth();
  }, FALLBACK_MS);
  return () => {
    clearInterval(timer);
    watcher?.close();
  };
}
