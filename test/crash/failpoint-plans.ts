import { FAILPOINTS, type FailpointName } from '../../src/kernel/failpoints.ts';

/**
 * When in the life of a world a point is passed:
 * - `serve`: by the first server, while it registers, accepts and runs jobs;
 * - `start`: by the second server, while it recovers a running job;
 * - `seal`: by the second server, after the first one died between an intent and its launch;
 * - `continue`: by the server, when an interrupted attempt is followed by the next;
 * - `upload`: by the server, while it takes files for held jobs and makes their workspaces;
 * - `remove`: by the server, while it removes a repository nothing works on any more;
 * - `redeliver`: by the server, while a message is wanted once more, or a new secret for all of them;
 * - `resource`: by the server, while a job registers something outside that is removed at its end;
 * - `orphan`: by the server, while it removes a directory that no job has;
 * - `remove-job`: by the server, while it removes a job that was interrupted once and has ended;
 * - `stop`: by the server, while it is told to stop after its jobs have ended;
 * - `retention`: by the server, while the workspace of a failed job goes by age and comes back for its retry;
 * - `backup`: by the server, while it makes a backup of jobs at work;
 * - `restore`: by the command that makes another home from a backup;
 * - `pipeline`: by the server, while a job goes from stage to stage;
 * - `merge`: by the server, while the work of a job is merged;
 * - `aside`: by the server, while a workspace nothing can be taken from is set aside;
 * - `keeper`: by a keeper, whose server died as it launched it.
 */
export type Occasion =
  | 'upload'
  | 'remove-job'
  | 'stop'
  | 'serve'
  | 'start'
  | 'seal'
  | 'continue'
  | 'remove'
  | 'redeliver'
  | 'keeper'
  | 'resource'
  | 'orphan'
  | 'retention'
  | 'backup'
  | 'restore'
  | 'pipeline'
  | 'aside'
  | 'merge';

export interface Plan {
  point: FailpointName;
  occasion: Occasion;
  /** Which pass of the point is the fatal one. */
  hit: number;
}

const OCCASIONS: Partial<Record<FailpointName, Occasion>> = {
  'attempt.before-seal': 'seal',
  'attempt.after-seal': 'seal',
  'workspace.before-save-ref': 'continue',
  'workspace.after-save-ref': 'continue',
  'workspace.before-harvest-ref': 'pipeline',
  'workspace.after-set-ref': 'pipeline',
  'workspace.before-aside': 'aside',
  'workspace.after-aside': 'aside',
  'workspace.before-reset': 'pipeline',
  'workspace.after-reset': 'pipeline',
  'workspace.after-harvest-ref': 'pipeline',
  'workspace.before-restore': 'retention',
  'workspace.after-restore': 'retention',
  'api.after-redeliver': 'redeliver',
};

/** Points the ordinary life of a world (one registration, three jobs) passes only once. */
const ONCE = new Set<FailpointName>([
  'mirror.before-clone',
  'mirror.before-rename',
  'mirror.after-rename',
  // Jobs that wait together share one fetch.
  'mirror.before-fetch',
  'mirror.after-fetch',
  'mirror.after-batch',
  'api.after-settings',
]);

/** A few of every kind, for the run of every change; the whole list is for `npm run test:crash`. */
const SAMPLE: readonly FailpointName[] = [
  'store.after-commit',
  'mirror.before-rename',
  'workspace.before-rename',
  'attempt.after-claim',
  'attempt.after-intent',
  'attempt.after-launch',
  'transcript.after-write',
  'attempt.before-settle',
  'attempt.before-seal',
  'removal.before-rename',
  'upload.after-rename',
  'workspace.after-save-ref',
  'resource.after-intent',
  'orphan.after-act',
  'retention.after-intent',
  'backup.after-rename',
  'restore.after-database',
  'stage.after-evidence',
  'merge.after-advance',
  'keeper.after-agent-record',
  'keeper.after-exit-record',
  'recovery.after-verdict',
  'api.after-accept',
  'callbacks.after-send',
  'statistics.after-write',
];

/** Returns what the sweep kills at: a sample of the points once, or the first three passes of every point. */
export function listPlans(size: 'sample' | 'all'): Plan[] {
  const points = size === 'all' ? FAILPOINTS : SAMPLE;
  return points.flatMap((point) => {
    const occasion = occasionOf(point);
    const repeats = size === 'all' && occasion === 'serve' && !ONCE.has(point);
    const plans: Plan[] = (repeats ? [1, 2, 3] : [1]).map((hit) => ({ point, occasion, hit }));
    // Repositories and jobs are removed by the same steps.
    if (occasion === 'remove') plans.push({ point, occasion: 'remove-job', hit: 1 });
    return plans;
  });
}

/** Whether a point is passed while a new secret is made. */
export function isRotation(point: FailpointName): boolean {
  return point.startsWith('callbacks.after-rotation');
}

function occasionOf(point: FailpointName): Occasion {
  const special = OCCASIONS[point];
  if (special !== undefined) return special;
  if (point.startsWith('upload.')) return 'upload';
  if (point === 'removal.before-refs' || point === 'removal.after-refs') return 'remove-job';
  if (point.startsWith('removal.')) return 'remove';
  if (point.startsWith('statistics.')) return 'stop';
  if (point.startsWith('retention.')) return 'retention';
  if (isRotation(point)) return 'redeliver';
  if (point.startsWith('resource.')) return 'resource';
  if (point.startsWith('orphan.')) return 'orphan';
  if (point.startsWith('backup.')) return 'backup';
  if (point.startsWith('restore.')) return 'restore';
  if (point.startsWith('merge.')) return 'merge';
  if (point.startsWith('stage.')) return 'pipeline';
  if (point.startsWith('keeper.')) return 'keeper';
  return point.startsWith('recovery.') ? 'start' : 'serve';
}
