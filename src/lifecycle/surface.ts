/**
 * The conflict surface of a job: the paths its packet says it may touch. Two jobs of one repository whose surfaces
 * overlap do not work at the same time. Who holds a surface follows from the states of jobs and from nothing else: a job
 * that has begun holds it until it has ended or is blocked, between two of its stages as well; one that an operator
 * reopens takes it again in its turn. A quarantined job whose attempt was at work keeps it: that may live still.
 */
import { mayOverlap, parsePattern, type Pattern } from './glob-overlap.ts';
import type { JobState } from './transitions.ts';

/** Patterns of one surface that are told apart. */
export const MAX_SURFACE = 32;

/** Jobs at the head of those that wait for their surface that a claim looks at; who is behind them waits for them. */
export const SURFACE_WINDOW = 128;

/** Everything in a repository. */
const EVERYTHING = '**';

/** Returns the surface of a scope: each pattern once, in its order. A long one is told by its first directories, or is everything. */
export function surfaceOf(scope: readonly string[]): string[] {
  const patterns = [...new Set(scope.map((path) => path.trim()).filter((path) => path !== ''))];
  if (patterns.length <= MAX_SURFACE) return patterns;
  const tops = [...new Set(patterns.map(topOf))];
  return tops.length <= MAX_SURFACE ? tops : [EVERYTHING];
}

/** The directory at the top that all a pattern means lies in; everything, where no name says so. */
function topOf(pattern: string): string {
  const [first = EVERYTHING, ...rest] = pattern.split('/').filter((word) => word !== '' && word !== '.');
  return /[*?[\]{}()!\\]/.test(rest.length === 0 ? pattern : first) ? EVERYTHING : first;
}

/** A live job with a surface. */
export interface SurfaceJob {
  id: string;
  number: number;
  state: JobState;
  frozen: boolean;
  /** Null where damage left no list: then it may touch everything. */
  surface: readonly string[] | null;
}

/** What a job waits for: a job that may touch the same, and the patterns of both that overlap. */
export interface Obstacle {
  job: SurfaceJob;
  /** False: it waits itself, before this one. */
  holds: boolean;
  ours: string;
  theirs: string;
}

export interface SurfaceChoice {
  id: string;
  /** Null: nobody before it may touch what it may. */
  obstacle: Obstacle | null;
}

const parsed = new Map<string, Pattern>();

function parse(text: string): Pattern {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  if (parsed.size >= 4096) parsed.clear();
  const pattern = parsePattern(text);
  parsed.set(text, pattern);
  return pattern;
}

/** Returns the first two patterns of two surfaces that overlap, or null. */
export function findOverlap(
  ours: readonly string[] | null,
  theirs: readonly string[] | null,
): { ours: string; theirs: string } | null {
  for (const one of ours ?? [EVERYTHING]) {
    const pattern = parse(one);
    const other = (theirs ?? [EVERYTHING]).find((text) => mayOverlap(pattern, parse(text)));
    if (other !== undefined) return { ours: one, theirs: other };
  }
  return null;
}

/**
 * Says of each waiting job, in the order of the queue, whether its surface is free: nobody holds anything of it, and
 * nobody before it in the queue waits for anything of it. So no job is overtaken by one it would then wait for, and
 * since a job takes all of its surface at once and waits for none while it holds one, no two wait for each other. Stops
 * after `max` free ones.
 */
export function chooseSurfaces(input: {
  holders: readonly SurfaceJob[];
  waiting: readonly SurfaceJob[];
  max: number;
}): SurfaceChoice[] {
  const before: { job: SurfaceJob; holds: boolean }[] = [];
  // Of those with the very same surface the first one stands for all.
  const seen = new Set<string>();
  const add = (job: SurfaceJob, holds: boolean): void => {
    const text = JSON.stringify(job.surface);
    if (!seen.has(text)) before.push({ job, holds });
    seen.add(text);
  };
  for (const job of input.holders) add(job, true);
  const choices: SurfaceChoice[] = [];
  let free = 0;
  for (const job of input.waiting) {
    if (free >= input.max) break;
    const obstacle = findObstacle(job, before);
    if (obstacle === null) free += 1;
    choices.push({ id: job.id, obstacle });
    add(job, false);
  }
  return choices;
}

function findObstacle(job: SurfaceJob, before: readonly { job: SurfaceJob; holds: boolean }[]): Obstacle | null {
  for (const one of before) {
    const overlap = findOverlap(job.surface, one.job.surface);
    if (overlap !== null) return { ...one, ...overlap };
  }
  return null;
}

/** Returns why a job waits, in words for people: `both may touch src/api/**`. */
export function describeObstacle({ job, ours, theirs }: Obstacle): string {
  const paths = ours === theirs ? ours : `${ours} (of ${theirs})`;
  const halted = job.frozen ? 'frozen' : job.state === 'quarantined' ? 'quarantined' : null;
  return `both may touch ${paths}${halted === null ? '' : `; job ${job.number} is ${halted}`}`;
}
