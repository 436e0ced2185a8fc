/** Reads of what jobs wait for. */
import type { SourceTrouble } from '../../lifecycle/repository.ts';
import type { Place } from '../waiting-store.ts';
import type { Reader } from './session.ts';

/** Returns every repository with its places, by name. */
export function listPlaces(reader: Reader): Place[] {
  return reader.sql
    .all('SELECT name, concurrency, unavailable, trouble FROM repositories ORDER BY name')
    .map((row) => ({
      repository: String(row['name']),
      concurrency: Number(row['concurrency']),
      active: reader.counters.activeOf(String(row['name'])),
      unavailable: row['unavailable'] === null ? null : String(row['unavailable']),
      trouble: row['trouble'] === null ? null : (JSON.parse(String(row['trouble'])) as SourceTrouble),
    }));
}

/** Returns the last place in the queue that was given out. */
export function getLastPlace(reader: Reader): number {
  return reader.counters.last('queueSeq');
}
