/** The small files of the home itself: who it is, what it may and what it remembers. Each carries a sum, or a form. */
import type { DoctorCheck } from '../api/services.ts';
import { inspectSecrets } from '../callbacks/secrets.ts';
import { isShortage, messageOf } from '../kernel/result.ts';
import type { Home } from '../lifecycle/home.ts';
import { readClockFile } from '../recovery/retention/clock-file.ts';
import { readStatistics } from '../statistics/statistics-file.ts';
import { describeDamaged, ok, type Looker } from './doctor-check.ts';
import { describeFiles } from './damaged-files.ts';
import { readHostFile } from './host-file.ts';
import { inspectServerFile } from './server-file.ts';
import { openStartMarker } from './start-marker.ts';
import { inspectToken } from './tokens.ts';

/** Says what is wrong with a file; null when it is whole, or not there. */
type Inspect = (path: string) => Promise<string | null>;

const INSPECT: readonly [kind: string, pathOf: (home: Home) => string, inspect: Inspect][] = [
  ['host-file', (home) => home.hostFile, inspectHost],
  ['token-file', (home) => home.tokenFile, inspectToken],
  ['callback-secret', (home) => home.callbackSecretFile, inspectSecrets],
  ['statistics-file', (home) => home.statisticsFile, inspectStatistics],
  ['retention-file', (home) => home.retentionFile, async (path) => (await readClockFile(path)).damage],
  ['server-file', (home) => home.serverFile, inspectServerFile],
  ['start-marker', (home) => home.startMarker, async (path) => (await openStartMarker(path)).damage],
];

async function inspectHost(path: string): Promise<string | null> {
  return (await readHostFile(path)).kind === 'damaged' ? 'it does not match its sum' : null;
}

async function inspectStatistics(path: string): Promise<string | null> {
  const reading = await readStatistics(path);
  return reading.kind === 'damaged' ? reading.why : null;
}

/** Returns one finding for each damaged file of the home, or that all are whole. Changes nothing. */
export async function checkHomeFiles(home: Home, looker: Looker): Promise<DoctorCheck[]> {
  const read: [string, string, string | null][] = [];
  for (const [kind, pathOf, inspect] of INSPECT) {
    const path = pathOf(home);
    const why = await inspect(path).catch((error: unknown) => {
      // That too many files are open says nothing of this one.
      if (isShortage(error)) throw error;
      return messageOf(error);
    });
    read.push([kind, path, why]);
  }
  const found = describeFiles(read);
  if (found.length === 0) return [ok('home files', `${read.length} files of the home checked`)];
  return found.map((one) => describeDamaged(one, looker));
}
