import { access, chmod, constants, lstat, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, isTempName } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { errnoOf, isDiskFull, messageOf } from '../kernel/result.ts';
import type { Home } from '../lifecycle/home.ts';
import { describeFileSystem } from '../workspace/file-system.ts';

/** Temp files older than this were left by a crash, milliseconds. */
const TEMP_AGE_MS = 10 * 60_000;

/** Makes the home usable: directories, mode 0700, writable, on a local disk. Throws `home-unusable`. */
export async function prepareHome(home: Home): Promise<void> {
  try {
    await makeDirectory(home.root);
    await refuseForeign(home);
    // Takes rights from others, gives none back: a home its owner made read-only is refused, not opened again.
    const { mode } = await stat(home.root);
    if ((mode & 0o077) !== 0) await chmod(home.root, mode & 0o700);
    await access(home.root, constants.W_OK | constants.X_OK);
    for (const directory of [home.repos, home.jobs, home.removals]) await makeDirectory(directory);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null) throw error;
    if (isDiskFull(error)) throw fail('storage-full', `${home.root}: ${messageOf(error)}`, { cause: error });
    throw fail('home-unusable', `${home.root}: ${messageOf(error)}`, { cause: error });
  }
  const fileSystem = await describeFileSystem(home.root);
  if (fileSystem.network) {
    throw fail(
      'home-unusable',
      `${home.root} is on a network file system (${fileSystem.type}); locks and sockets do not hold there`,
    );
  }
}

/** Each of these makes a directory a home. */
const MARKS = ['holdfast.db', 'server.lock.db', 'host', 'token', 'holdfast.config.json'];
/** What a first start may have left that was killed before it made one of those; `lost+found` is of the file system. */
const BEGUN = ['repos', 'jobs', 'removals', 'server.log', 'lost+found'];

/** A directory with something else in it was named by mistake: making a home there would take its rights and mix the two. */
async function refuseForeign(home: Home): Promise<void> {
  const names = (await readdir(home.root)).filter((name) => !isTempName(name));
  if (names.some((name) => MARKS.includes(name))) return;
  const stranger = names.find((name) => !BEGUN.includes(name));
  if (stranger === undefined) return;
  throw fail('home-unusable', `${home.root} is no home of Holdfast and not empty (it holds ${stranger})`, {
    hint: 'Give an empty directory, or one that does not exist yet, with --home or HOLDFAST_HOME.',
  });
}

/** Removes temp files a crash left directly below the home, older than ten minutes; returns how many. */
export async function removeOldTemps(home: Home, now: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(home.root)) {
    if (!isTempName(name)) continue;
    const path = join(home.root, name);
    const found = await lstat(path);
    if (!found.isFile() || now - found.mtimeMs < TEMP_AGE_MS) continue;
    await unlink(path);
    removed += 1;
  }
  return removed;
}
