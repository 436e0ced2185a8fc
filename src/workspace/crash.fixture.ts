/** One call of this room in a process of its own, so that a test can have it killed at a failpoint. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { armFailpoints, type FailpointName } from '../kernel/failpoints.ts';
import { advanceBase, type AdvanceRequest } from './advance-base.ts';
import { discardWorkspace } from './discard-workspace.ts';
import { keepStrays } from './keep-strays.ts';
import { updateMirror, type UpdateMirrorRequest } from './mirror.ts';
import { pushBranch, type PushRequest } from './push-branch.ts';
import { saveTree, type SaveTreeRequest } from './observe.ts';
import { prepareWorkspace, type PrepareWorkspaceRequest } from './prepare-workspace.ts';

export type Call =
  | { do: 'updateMirror'; with: UpdateMirrorRequest }
  | { do: 'prepareWorkspace'; with: PrepareWorkspaceRequest }
  | { do: 'saveTree'; with: SaveTreeRequest }
  | { do: 'advanceBase'; with: AdvanceRequest }
  | { do: 'pushBranch'; with: PushRequest }
  | { do: 'keepStrays'; with: Parameters<typeof keepStrays>[0] }
  | { do: 'discardWorkspace'; with: Parameters<typeof discardWorkspace>[0] };

function carryOut(call: Call): Promise<unknown> {
  if (call.do === 'updateMirror') return updateMirror(call.with);
  if (call.do === 'advanceBase') return advanceBase(call.with);
  if (call.do === 'pushBranch') return pushBranch(call.with);
  if (call.do === 'keepStrays') return keepStrays(call.with);
  if (call.do === 'discardWorkspace') return discardWorkspace(call.with);
  return call.do === 'prepareWorkspace' ? prepareWorkspace(call.with) : saveTree(call.with);
}

/** Runs the call in another process that kills itself at `point`; throws unless it was killed there. */
export function crashAt(point: FailpointName, call: Call): void {
  const argv = [fileURLToPath(import.meta.url), `${point}:crash`, JSON.stringify(call)];
  const result = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  if (result.signal !== 'SIGKILL') {
    throw new Error(`${point} was not hit: exit ${String(result.status)} ${result.stdout}${result.stderr}`);
  }
}

if (import.meta.main) {
  const [, , points, call] = process.argv;
  armFailpoints(points);
  console.log(JSON.stringify(await carryOut(JSON.parse(call ?? '') as Call)));
}
