/** What the free space of the disk that holds the home means for work: a pure function of one look at it. */
import { formatSize } from '../kernel/size.ts';

/** A threshold: bytes, or a share (0..1) of the whole file system. */
export type DiskLimit = { bytes: number } | { share: number };

export interface DiskLimits {
  /** Below it new work waits. Null: the default. */
  free: DiskLimit | null;
  /** Below it work is stopped. Null: never. */
  stop: DiskLimit | null;
}

/** One look at a file system, bytes. */
export interface DiskSpace {
  freeBytes: number;
  totalBytes: number;
}

/** `ok`: work may begin. `low`: new work waits. `critical`: running work is stopped. */
export type DiskLevel = 'ok' | 'low' | 'critical';

export interface DiskState extends DiskSpace {
  level: DiskLevel;
  /** Free bytes at which new work begins: more than the threshold while it waits, so that it does not flutter. */
  neededBytes: number;
  /** Free bytes below which running work is stopped; null when it never is. */
  stopBytes: number | null;
}

/** Default threshold of a large disk, bytes (01 · N6). */
const DEFAULT_BYTES = 2 * 2 ** 30;
/** Default threshold of a small one, where 2 GiB would keep most of it unused. */
const DEFAULT_SHARE = 0.05;
/** What was low is well again only a tenth above its threshold. */
const MARGIN = 1.1;

function toBytes(limit: DiskLimit | null, totalBytes: number): number {
  if (limit === null) return Math.min(DEFAULT_BYTES, totalBytes * DEFAULT_SHARE);
  return 'bytes' in limit ? limit.bytes : totalBytes * limit.share;
}

/** Returns the level after `before`. Running work is never stopped above the threshold at which new work waits. */
export function judgeDisk(before: DiskLevel, space: DiskSpace, limits: DiskLimits): DiskState {
  const { freeBytes, totalBytes } = space;
  const free = Math.ceil(toBytes(limits.free, totalBytes));
  const stopBytes = limits.stop === null ? null : Math.min(Math.ceil(toBytes(limits.stop, totalBytes)), free);
  const neededBytes = before === 'ok' ? free : Math.round(free * MARGIN);
  const stopBelow = Math.round((stopBytes ?? 0) * (before === 'critical' ? MARGIN : 1));
  const level = freeBytes >= neededBytes ? 'ok' : freeBytes < stopBelow ? 'critical' : 'low';
  return { level, freeBytes, totalBytes, neededBytes: level === 'ok' ? free : Math.round(free * MARGIN), stopBytes };
}

/** What to do while work waits for space. */
export const FREE_DISK_HINT =
  'Free space on that disk (`holdfast jobs` shows what has ended), or lower limits.freeDisk; work goes on by itself.';

/** Returns the sentence for people, or null while the level is `ok`. */
export function describeDisk(state: DiskState): string | null {
  if (state.level === 'ok') return null;
  const room = `${formatSize(state.freeBytes)} free on the disk of the home, ${formatSize(state.neededBytes)} needed`;
  const stopped = state.level === 'critical' ? '; running work is being stopped' : '';
  return `new work waits for disk space: ${room}${stopped}`;
}
