/** The heartbeat file as people and host leases read it. It says when the keeper was last seen, never that it died. */
import { join } from 'node:path';
import { RUN_FILES, type Sentinel } from './protocol.ts';
import { readRecord, type RecordReading } from './run-directory.ts';

/** From which age on a heartbeat is called stale, and dead, milliseconds. */
export interface HeartbeatAges {
  staleMs: number;
  deadMs: number;
}

/** Two and ten minutes: a heartbeat is for people, nothing is decided by it. */
export const DEFAULT_HEARTBEAT_AGES: HeartbeatAges = { staleMs: 120_000, deadMs: 600_000 };

/** Reads sentinel.json. It is replaced without fsync: after a power cut `bad` is ordinary and means as much as absent. */
export function readSentinel(runDir: string, attempt: string): Promise<RecordReading<Sentinel>> {
  return readRecord<Sentinel>(join(runDir, RUN_FILES.sentinel), attempt);
}

/** Returns what a heartbeat of this age in milliseconds is called. One from the future is stale: a clock was set. */
export function classifyHeartbeat(ageMs: number, ages: HeartbeatAges): 'fresh' | 'stale' | 'dead' {
  if (ageMs < 0) return 'stale';
  if (ageMs < ages.staleMs) return 'fresh';
  return ageMs < ages.deadMs ? 'stale' : 'dead';
}
