/** The heartbeat file as people and host leases read it. It says when the keeper was last seen, never that it died. */
import { join } from 'node:path';
import { RUN_FILES, type Sentinel } from './protocol.ts';
import { readRecord, type RecordReading } from './run-directory.ts';

/** Below this age a heartbeat is fresh, milliseconds. */
const FRESH_BELOW_MS = 120_000;
/** Below this age it is stale, from there on dead, milliseconds. */
const STALE_BELOW_MS = 600_000;

/** Reads sentinel.json. It is replaced without fsync: after a power cut `bad` is ordinary and means as much as absent. */
export function readSentinel(runDir: string, attempt: string): Promise<RecordReading<Sentinel>> {
  return readRecord<Sentinel>(join(runDir, RUN_FILES.sentinel), attempt);
}

/** Returns how old a heartbeat looks at `now`, both in ms since 1970. One from the future is stale: a clock was set. */
export function classifyHeartbeat(lastHeartbeat: number, now: number): 'fresh' | 'stale' | 'dead' {
  const age = now - lastHeartbeat;
  if (age < 0) return 'stale';
  if (age < FRESH_BELOW_MS) return 'fresh';
  return age < STALE_BELOW_MS ? 'stale' : 'dead';
}
