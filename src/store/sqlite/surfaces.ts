/**
 * Reads of who holds a surface and who waits for one. Both are indexes of live work, and a repository in which nobody
 * waits for a surface costs one look at an empty one.
 */
import { MAX_SURFACE, SURFACE_WINDOW, chooseSurfaces, type SurfaceJob } from '../../lifecycle/surface.ts';
import type { JobState } from '../../lifecycle/transitions.ts';
import type { SurfaceLine } from '../waiting-store.ts';
import type { Reader } from './session.ts';
import type { Row } from './sql.ts';

/** Of queued jobs: those that may go on as soon as there is room. The words are those of the index. */
export const HAS_BEGUN_OR_NEED_NOT = '(surface IS NULL OR started_at IS NOT NULL)';
/** Of queued jobs: those that must take their surface first. */
const WAITS_FOR_SURFACE = 'surface IS NOT NULL AND started_at IS NULL';
/** Of queued jobs: those that need no slot of their repository (lifecycle/plan.ts). The words are those of the index. */
export const NEEDS_NO_SLOT = `stage NOT IN ('verify', 'merge')`;
/** Conditions that split the queued jobs that are not frozen, each in the words of an index of its own. */
export const STANDINGS = [
  `${HAS_BEGUN_OR_NEED_NOT} AND ${NEEDS_NO_SLOT}`,
  `${HAS_BEGUN_OR_NEED_NOT} AND stage IN ('verify', 'merge')`,
  WAITS_FOR_SURFACE,
];

const FIELDS = 'id, number, state, frozen, surface';

/** A quarantined job holds its surface while the attempt it was set aside with may live: until a person releases it. */
const HOLDERS = `SELECT ${FIELDS} FROM jobs WHERE repository = $1 AND surface IS NOT NULL
  AND (state IN ('preparing', 'running') OR (state IN ('queued', 'quarantined') AND started_at IS NOT NULL))
  AND (state <> 'quarantined' OR EXISTS (SELECT 1 FROM attempts
    WHERE attempts.job_id = jobs.id AND attempts.number = jobs.attempts AND attempts.state = 'quarantined'))
  ORDER BY number`;

const WAITING = `SELECT ${FIELDS} FROM jobs WHERE repository = $1 AND others IS NULL AND state = 'queued'
  AND frozen = 0 AND ${WAITS_FOR_SURFACE} AND outcome IS NULL AND finished_at IS NULL
  ORDER BY priority DESC, queue_seq LIMIT ${SURFACE_WINDOW}`;

function toSurfaceJob(row: Row): SurfaceJob {
  return {
    id: String(row['id']),
    number: Number(row['number']),
    state: String(row['state']) as JobState,
    frozen: row['frozen'] === 1,
    surface: parseSurface(String(row['surface'])),
  };
}

/** Null where damage left no list of patterns: whoever has it may touch everything. */
function parseSurface(text: string): string[] | null {
  try {
    const patterns: unknown = JSON.parse(text);
    const isSurface =
      Array.isArray(patterns) &&
      patterns.length <= MAX_SURFACE &&
      patterns.every((pattern) => typeof pattern === 'string');
    return isSurface ? patterns : null;
  } catch {
    return null;
  }
}

function readSurfaces(reader: Pick<Reader, 'sql'>, repository: string): SurfaceLine {
  const waiting = reader.sql.all(WAITING, repository).map(toSurfaceJob);
  return { repository, holders: reader.sql.all(HOLDERS, repository).map(toSurfaceJob), waiting };
}

/** Returns up to `max` jobs of a repository that wait and could take their surface now, in the order of the queue. */
export function listFreeSurfaces(reader: Pick<Reader, 'sql'>, repository: string, max: number): string[] {
  const waiting = reader.sql.all(WAITING, repository).map(toSurfaceJob);
  if (waiting.length === 0) return [];
  const holders = reader.sql.all(HOLDERS, repository).map(toSurfaceJob);
  return chooseSurfaces({ holders, waiting, max }).flatMap(({ id, obstacle }) => (obstacle === null ? [id] : []));
}

/** Returns who holds a surface of each repository, and the first who wait for one; only of repositories with either. */
export function listSurfaces(reader: Reader): SurfaceLine[] {
  return reader.sql
    .all('SELECT name FROM repositories ORDER BY name')
    .map((row) => readSurfaces(reader, String(row['name'])))
    .filter(({ holders, waiting }) => holders.length + waiting.length > 0);
}
