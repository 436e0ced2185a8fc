import { stat, watch, type FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
import { RUN_FILES } from '../keeper/protocol.ts';

/** Fallback for missed events, or when no inotify watches are left, milliseconds. */
const FALLBACK_MS = 1000;

export interface OutputWatch {
  /**
   * Calls `onGrowth` whenever a file of the run directory changed; returns the way to stop. A run directory that is still
   * to be made is waited for in the nearest directory above it that exists.
   */
  watch(runDir: string, onGrowth: () => void): () => void;
}

/** Returns a watch that costs per run directory, not per watcher: one inotify watch each, one timer for all. */
export function createOutputWatch(): OutputWatch {
  const watched = new Map<string, WatchedDirectory>();
  let timer: NodeJS.Timeout | null = null;
  const lookAgain = (): void => {
    for (const directory of watched.values()) directory.lookAgain();
  };
  return {
    watch(runDir, onGrowth) {
      const directory = watched.get(runDir) ?? new WatchedDirectory(runDir);
      watched.set(runDir, directory);
      timer ??= setInterval(lookAgain, FALLBACK_MS);
      // Each call is its own watcher, also of one function given twice.
      const own = (): void => onGrowth();
      directory.listeners.add(own);
      return () => {
        if (!directory.listeners.delete(own) || directory.listeners.size > 0) return;
        directory.close();
        watched.delete(runDir);
        if (watched.size > 0 || timer === null) return;
        clearInterval(timer);
        timer = null;
      };
    },
  };
}

class WatchedDirectory {
  readonly listeners = new Set<() => void>();
  readonly #runDir: string;
  readonly #nearestFirst: readonly string[];
  #watcher: FSWatcher | null = null;
  #distance: number;
  /** What the output files looked like at the last look of the timer. */
  #seen = new Map<string, string>();

  constructor(runDir: string) {
    this.#runDir = runDir;
    this.#nearestFirst = [runDir, dirname(runDir), dirname(dirname(runDir))];
    this.#distance = this.#nearestFirst.length;
    this.#approach();
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#distance = this.#nearestFirst.length;
  }

  /** For events that never came: looks for a nearer directory, or at the files themselves. */
  lookAgain(): void {
    if (this.#distance > 0) return this.#onEvent();
    for (const name of [RUN_FILES.output, RUN_FILES.stderr]) {
      stat(join(this.#runDir, name), (error, found) => {
        const now = error === null ? `${found.size} ${found.mtimeMs}` : '';
        const before = this.#seen.get(name) ?? '';
        this.#seen.set(name, now);
        if (now !== before) this.#tell();
      });
    }
  }

  #tell(): void {
    for (const listener of this.listeners) listener();
  }

  #onEvent(): void {
    this.#approach();
    this.#tell();
  }

  /** Again after every step: what lies nearer may have been made just before the step was taken. */
  #approach(): void {
    for (let found = this.#tryWatch(); found !== null; found = this.#tryWatch()) {
      this.#watcher?.close();
      this.#watcher = found.watcher;
      this.#distance = found.distance;
      found.watcher.on('error', () => this.close());
    }
  }

  #tryWatch(): { watcher: FSWatcher; distance: number } | null {
    for (const [index, path] of this.#nearestFirst.slice(0, this.#distance).entries()) {
      try {
        return { watcher: watch(path, () => this.#onEvent()), distance: index };
      } catch {
        // Not there yet, or the watches of this user are used up: the timer carries on alone.
      }
    }
    return null;
  }
}
