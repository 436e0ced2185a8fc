import { watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';

/** Fallback for missed events, or when no inotify watches are left, milliseconds. */
const FALLBACK_MS = 1000;

/**
 * Calls `onGrowth` whenever a file of the run directory changed, at least every second; returns the way to stop. A run
 * directory that is still to be made is waited for in the nearest directory above it that exists.
 */
export function watchRunDirectory(runDir: string, onGrowth: () => void): () => void {
  const nearestFirst = [runDir, dirname(runDir), dirname(dirname(runDir))];
  let watcher: FSWatcher | null = null;
  let distance = nearestFirst.length;
  const leave = (): void => {
    watcher?.close();
    watcher = null;
    distance = nearestFirst.length;
  };
  const onEvent = (): void => {
    approach();
    onGrowth();
  };
  // Again after every step: what lies nearer may have been made just before the step was taken.
  const approach = (): void => {
    for (let found = tryWatch(); found !== null; found = tryWatch()) {
      watcher?.close();
      ({ watcher, distance } = found);
      watcher.on('error', leave);
    }
  };
  const tryWatch = (): { watcher: FSWatcher; distance: number } | null => {
    for (const [index, path] of nearestFirst.slice(0, distance).entries()) {
      try {
        return { watcher: watch(path, onEvent), distance: index };
      } catch {
        // Not there yet, or the watches of this user are used up: the timer carries on alone.
      }
    }
    return null;
  };
  approach();
  const timer = setInterval(onEvent, FALLBACK_MS);
  return () => {
    clearInterval(timer);
    leave();
  };
}
