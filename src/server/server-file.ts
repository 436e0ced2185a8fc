import { stat, utimes } from 'node:fs/promises';
import { readIfExists, removeDurable, writeDurable } from '../kernel/durable.ts';
import { errnoOf } from '../kernel/result.ts';

/** How often a live server touches its file, milliseconds; only used to say how long it was down. */
export const SERVER_TOUCH_MS = 2000;

/** What `server.json` says while a server lives. */
export interface ServerInfo {
  url: string;
  pid: number;
  /** Start time of the process in clock ticks: a pid alone means nothing. */
  start: string;
  bootId: string;
  version: string;
}

/** Returns what `server.json` says, or null when there is none or it cannot be understood. */
export async function readServerFile(path: string): Promise<ServerInfo | null> {
  const text = await readIfExists(path);
  if (text === null) return null;
  try {
    const info = JSON.parse(text.toString()) as Partial<ServerInfo>;
    if (typeof info.url !== 'string' || typeof info.pid !== 'number') return null;
    return {
      url: info.url,
      pid: info.pid,
      start: info.start ?? '',
      bootId: info.bootId ?? '',
      version: info.version ?? '',
    };
  } catch {
    return null;
  }
}

/** Says what is wrong with `server.json`; null when it is whole or not there. Whatever it is, the start replaces it. */
export async function inspectServerFile(path: string): Promise<string | null> {
  if ((await readIfExists(path)) === null || (await readServerFile(path)) !== null) return null;
  return 'it could not be understood; it is written anew';
}

/** Replaces `server.json`, durably. */
export async function writeServerFile(path: string, info: ServerInfo): Promise<void> {
  await writeDurable(path, `${JSON.stringify(info)}\n`);
}

/** Removes `server.json` on a graceful stop. */
export async function removeServerFile(path: string): Promise<void> {
  await removeDurable(path);
}

/** When the last server of this home was last known alive (ms since 1970), or null when it left no file. */
export async function lastSignOfServer(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Marks the server as alive now; not durable on purpose, a missed touch only makes a report less exact. */
export async function touchServerFile(path: string, nowMs: number): Promise<void> {
  await utimes(path, nowMs / 1000, nowMs / 1000);
}
