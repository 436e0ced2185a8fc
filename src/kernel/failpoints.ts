/**
 * Named points at which a test can kill, stop or fail a process. Every durable step has one before and, where the
 * window differs, one after it. Armed by `HOLDFAST_FAILPOINTS=name:crash@2,other:error`; `@n` is the n-th hit,
 * without it the first. Unarmed, a point costs one boolean.
 */
export const FAILPOINTS = [
  // store: around the one transaction of a group
  'store.before-commit',
  'store.after-commit',
  'store.after-witness',
  // workspace
  'mirror.before-clone',
  'mirror.before-rename',
  'mirror.after-rename',
  'mirror.before-fetch',
  'mirror.after-fetch',
  'mirror.after-batch',
  'workspace.before-clone',
  'workspace.after-part',
  'workspace.before-rename',
  'workspace.after-rename',
  'workspace.before-save-ref',
  'workspace.after-save-ref',
  'workspace.after-set-ref',
  'workspace.before-aside',
  'workspace.after-aside',
  'workspace.before-reset',
  'workspace.after-reset',
  'stage.before-harvest',
  'stage.before-evidence',
  'stage.after-evidence',
  'stage.before-branch',
  'stage.before-hand-off',
  'stage.after-hand-off',
  'stage.before-clear',
  'stage.after-clear',
  'workspace.before-restore',
  'workspace.after-restore',
  'workspace.before-harvest-ref',
  'workspace.after-harvest-ref',
  'merge.before-advance',
  'merge.after-advance',
  'merge.before-record',
  'merge.after-record',
  'stage.before-push',
  'stage.after-push',
  // files sent for a job
  'upload.before-rename',
  'upload.after-rename',
  'upload.after-record',
  'upload.before-copy',
  'upload.after-copy',
  // what goes by age
  'retention.before-save',
  'retention.after-save',
  'retention.after-intent',
  'retention.after-delete',
  'retention.after-record',
  // whatever is deleted
  'removal.before-refs',
  'removal.after-refs',
  'removal.before-rename',
  'removal.after-rename',
  'removal.after-delete',
  // what was counted
  'statistics.before-write',
  'statistics.after-write',
  // what people read of it
  'transcript.before-write',
  'transcript.after-write',
  // the server's side of an attempt
  'attempt.after-claim',
  'attempt.after-workspace',
  'attempt.after-intent',
  'attempt.after-spec',
  'attempt.after-launch',
  'attempt.after-attach',
  'attempt.before-settle',
  'attempt.after-settle',
  'attempt.before-seal',
  'attempt.after-seal',
  // the keeper
  'keeper.before-claim',
  'keeper.after-claim',
  'keeper.after-reserve',
  'keeper.after-gate',
  'keeper.after-agent-record',
  'keeper.after-go',
  'keeper.after-wait',
  'keeper.after-output-sync',
  'keeper.before-exit-rename',
  'keeper.after-exit-record',
  'keeper.after-strays',
  // external resources of jobs
  'resource.after-register',
  'resource.after-intent',
  'resource.after-removal',
  'resource.after-record',
  // what is done about orphans
  'orphan.after-intent',
  'orphan.after-act',
  'orphan.after-record',
  // backup and restore
  'backup.after-intent',
  'backup.after-database',
  'backup.after-files',
  'backup.before-rename',
  'backup.after-rename',
  'backup.after-record',
  'restore.after-files',
  'restore.after-host',
  'restore.after-database',
  'restore.before-rename',
  'restore.after-rename',
  // recovery and the API
  'recovery.after-guard',
  'recovery.after-boot-row',
  'recovery.after-store',
  'recovery.after-queue',
  'recovery.before-verdict',
  'recovery.after-verdict',
  'recovery.after-waiting',
  'recovery.before-report',
  'recovery.after-report',
  'api.before-accept',
  'api.after-accept',
  'api.after-settings',
  // callbacks
  'callbacks.before-send',
  'callbacks.after-send',
  'callbacks.after-record',
  'recovery.after-callbacks',
  'api.after-redeliver',
  'callbacks.after-rotation-intent',
  'callbacks.after-rotation',
  'callbacks.after-rotation-record',
] as const;

export type FailpointName = (typeof FAILPOINTS)[number];
export type FailpointAction = 'crash' | 'error' | 'stop';

/** Far longer than the kernel needs to stop every thread of a process. */
const STOP_WAIT_MS = 50;

interface Armed {
  action: FailpointAction;
  at: number;
  hits: number;
}

const armed = new Map<string, Armed>();
let isArmed = false;

/**
 * Arms the points of a specification like `store.before-commit:crash@2`. Throws on a name or action that does not
 * exist, and on a name given twice: a test that arms nothing, or less than it says, must not pass.
 */
export function armFailpoints(specification: string | undefined): void {
  armed.clear();
  for (const part of (specification ?? '').split(',').filter((text) => text !== '')) {
    const match = /^([a-z.-]+):(crash|error|stop)(?:@([1-9]\d*))?$/.exec(part);
    const [, name, action, at] = match ?? [];
    if (name === undefined || !(FAILPOINTS as readonly string[]).includes(name)) {
      throw new Error(`HOLDFAST_FAILPOINTS: "${part}" is not name:crash|error|stop[@n] with a known name`);
    }
    if (armed.has(name)) throw new Error(`HOLDFAST_FAILPOINTS: ${name} is given twice`);
    armed.set(name, { action: action as FailpointAction, at: Number(at ?? 1), hits: 0 });
  }
  isArmed = armed.size > 0;
}

/** Passes, or carries out what the test armed here: SIGKILL or SIGSTOP of this process, or an EIO error. */
export function failpoint(name: FailpointName): void {
  if (!isArmed) return;
  const point = armed.get(name);
  if (point === undefined || ++point.hits !== point.at) return;
  if (point.action === 'error') throw Object.assign(new Error(`failpoint ${name}`), { code: 'EIO' });
  process.kill(process.pid, point.action === 'crash' ? 'SIGKILL' : 'SIGSTOP');
  // The signal is sure to reach this thread before it returns to user code only when it is the main one: never run past
  // a crash, and leave a stop the time to take hold.
  const waitMs = point.action === 'crash' ? Number.POSITIVE_INFINITY : STOP_WAIT_MS;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs);
}
