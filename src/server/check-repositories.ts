/** The objects of every mirror and of the workspaces of jobs that have not ended, as `git fsck` finds them. */
import type { DoctorCheck } from '../api/services.ts';
import { messageOf } from '../kernel/result.ts';
import type { Home } from '../lifecycle/home.ts';
import { baseOf, type Job } from '../lifecycle/job.ts';
import { workspaceParts } from '../lifecycle/job-workspace.ts';
import type { Repository } from '../lifecycle/repository.ts';
import { JOB_STATES, isTerminal } from '../lifecycle/transitions.ts';
import type { Store } from '../store/store.ts';
import { checkMirrorObjects, checkWorkspaceObjects } from '../workspace/check-objects.ts';
import { checkWorkspace } from '../workspace/check-workspace.ts';
import { judgeMirrorHead, mirrorHeadPath } from '../workspace/mirror-head.ts';
import { exists } from '../workspace/remove-tree.ts';
import { describeDamaged, ok, warn, type Damaged, type Looker } from './doctor-check.ts';

const PAGE = 200;

/** What has to be known of a home to look at its repositories. */
export interface Inventory {
  store: Pick<Store, 'listRepositories' | 'listJobs'>;
  home: Home;
}

/** Returns one finding for each damaged mirror or workspace, with its damaged objects named. Reads only. */
export async function checkRepositories({ store, home }: Inventory, looker: Looker): Promise<DoctorCheck[]> {
  const checks: DoctorCheck[] = [];
  const repositories = await store.listRepositories();
  let checked = 0;
  const note = async (damaged: Omit<Damaged, 'why'>, look: () => Promise<string[]>): Promise<void> => {
    checked += 1;
    const { kind, item } = damaged;
    try {
      // What an agent or a fetch is just writing may look torn for a moment; damage stays.
      const faults = (await look()).length === 0 ? [] : await look();
      if (faults.length > 0) checks.push(describeDamaged({ ...damaged, why: faults.join('; ') }, looker));
    } catch (error) {
      checks.push(warn(kind, `${item} could not be checked: ${messageOf(error)}`, 'Try `git fsck` there by hand.'));
    }
  };
  for (const { id, name, base, cloneState } of repositories) {
    const path = home.mirror(id);
    if (cloneState !== 'ready' && !(await exists(path))) continue;
    const head = (await exists(path)) ? await judgeMirrorHead(path, base) : null;
    if (head !== null) {
      // Git would say of such a mirror that it is none, and not look at it.
      const damaged = { kind: 'mirror-head', item: name, path: mirrorHeadPath(path), why: head };
      checks.push(describeDamaged(damaged, looker));
      continue;
    }
    await note({ kind: 'mirror', item: name, path }, async () => {
      return (await exists(path)) ? checkMirrorObjects(path) : ['it is missing'];
    });
  }
  for await (const job of listWithWorkspace(store)) {
    for (const part of listParts(home, job, repositories)) {
      const { directory: path, item } = part;
      await note({ kind: 'workspace', item, path }, async () => {
        const unsafe = await checkWorkspace(path, part.mirrorDir);
        return unsafe === null ? checkWorkspaceObjects(part) : [unsafe];
      });
    }
  }
  if (checks.some((check) => check.level === 'fail')) return checks;
  return [
    ...checks,
    ok(
      'git objects',
      `those of ${checked} ${checked === 1 ? 'directory' : 'directories'} (mirrors and live workspaces) checked`,
    ),
  ];
}

/** Jobs that have not ended and whose workspace is recorded ready. */
async function* listWithWorkspace(store: Inventory['store']): AsyncGenerator<Job> {
  for (const state of JOB_STATES.filter((one) => !isTerminal(one) && one !== 'created')) {
    for (let cursor: string | null = null; ;) {
      const page = await store.listJobs({ state, limit: PAGE, ...(cursor === null ? {} : { cursor }) });
      yield* page.items.filter((job) => job.workspaceState === 'ready');
      cursor = page.nextCursor;
      if (cursor === null) break;
    }
  }
}

function listParts(home: Home, job: Job, repositories: readonly Repository[]) {
  return workspaceParts(home, job).flatMap(({ repository, directory, prefix }) => {
    const known = repositories.find(({ name }) => name === repository);
    const baseCommit = baseOf(job, repository);
    if (known === undefined || baseCommit === null) return [];
    const item = prefix === null ? job.id : `${job.id}/${prefix}`;
    return [{ item, directory, mirrorDir: home.mirror(known.id), baseCommit }];
  });
}
