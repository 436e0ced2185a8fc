/** sentinel.json every five seconds, and the output flushed with it. Neither may ever stop the keeper. */
import { fdatasync, renameSync, writeFileSync } from 'node:fs';
import { systemClock } from '../../kernel/clock.ts';
import { tempBeside } from '../../kernel/durable.ts';
import { RUN_FILES, encodeRecord, type Sentinel } from '../protocol.ts';
import { log } from './log.ts';

/** Between two heartbeats, milliseconds. */
const HEARTBEAT_MS = 5000;

/** Writes a heartbeat now and then every five seconds; returns the way to stop. */
export function startHeartbeat(what: {
  attempt: string;
  files: { output: number; stderr: number | null };
  read: () => Omit<Sentinel, 'lastHeartbeat'>;
}): () => void {
  // One temp name for all: a keeper that is killed leaves one file, not one per heartbeat.
  const temp = tempBeside(RUN_FILES.sentinel);
  let isFlushing = 0;
  const beat = (): void => {
    try {
      writeFileSync(temp, encodeRecord(what.attempt, { lastHeartbeat: systemClock.now(), ...what.read() }), {
        mode: 0o600,
      });
      renameSync(temp, RUN_FILES.sentinel);
    } catch (error) {
      log(`heartbeat: ${String(error)}`);
    }
    if (isFlushing > 0) return;
    for (const fd of [what.files.output, what.files.stderr]) {
      if (fd === null) continue;
      isFlushing += 1;
      fdatasync(fd, (error) => {
        isFlushing -= 1;
        if (error !== null) log(`flushing the output: ${String(error)}`);
      });
    }
  };
  beat();
  const timer = setInterval(beat, HEARTBEAT_MS);
  return () => clearInterval(timer);
}
