import { access } from 'node:fs/promises';
import type { DoctorCheck } from '../api/services.ts';
import { readGitEnvironment } from '../keeper/environment.ts';
import { fail, isError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { homeLayout } from '../lifecycle/home.ts';
import { readClosedStore, type ClosedStore } from '../store/sqlite/read-closed.ts';
import { configureGit } from '../workspace/safe-git.ts';
import { checkHomeFiles } from './check-home-files.ts';
import { checkRepositories } from './check-repositories.ts';
import { checkRuns } from './check-runs.ts';
import { attemptChecks, describeDamaged, ok } from './doctor-check.ts';
import { describeStoreCheck } from './doctor.ts';
import { guardHome } from './home-guard.ts';

const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * The deep check of a home that no server serves: the whole database, its own files, run directories, evidence and git
 * objects. Holds the home
 * while it looks, so that nobody changes what is being looked at, and changes nothing. Throws `home-held` where a server
 * has it: that one carries out the same check.
 */
export async function checkClosedHome(root: string): Promise<DoctorCheck[]> {
  const home = homeLayout(root);
  try {
    await access(home.database);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return [ok('store', 'there is no database yet: it is made at the first start')];
  }
  const lock = await guardHome(home, { takeover: false, log: SILENT }).catch((error: unknown) => {
    if (!isError(error, 'home-held')) throw error;
    const hint = 'A server that holds its home does this check itself: `holdfast doctor --deep`, once it answers.';
    throw fail('home-held', error.detail, { hint, cause: error });
  });
  try {
    configureGit(readGitEnvironment());
    let store: ClosedStore;
    try {
      store = readClosedStore(home.database);
    } catch (error) {
      if (isError(error, 'home-unusable') || isError(error, 'store-too-new')) throw error;
      const damaged = { kind: 'database', item: home.database, path: home.database, why: messageOf(error) };
      return [describeDamaged(damaged, 'command')];
    }
    try {
      return [
        ...(await attemptChecks('store', async () => describeStoreCheck(store.check(), { home, looker: 'command' }))),
        ...(await attemptChecks('home files', () => checkHomeFiles(home, 'command'))),
        ...(await attemptChecks('runs', () => checkRuns({ store, home }, 'command'))),
        ...(await attemptChecks('git objects', () => checkRepositories({ store, home }, 'command'))),
      ];
    } finally {
      store.close();
    }
  } finally {
    lock.release();
  }
}
