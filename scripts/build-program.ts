/**
 * Makes the program and the packages it uses into one folder of plain JavaScript, for tests: they start hundreds of
 * servers and commands, and loading 300 sources and 200 files of packages one by one is 40 % of what a start costs.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const STORE = 'src/store/sqlite';

/** What is started by its path; each gets its name in the folder. */
const ENTRIES: Readonly<Record<string, string>> = {
  main: 'src/cli/main.ts',
  'scripted-agent': 'src/agents/scripted-agent.ts',
  worker: `${STORE}/worker.ts`,
  'check-worker': `${STORE}/check-worker.ts`,
  'scrub-worker': `${STORE}/scrub-worker.ts`,
  'copy-worker': `${STORE}/copy-worker.ts`,
};

/** A folder made of other sources goes after this time, milliseconds: a run that began before may still use it. */
const KEPT_MS = 86_400_000;

/** Tells the sources as they are now: a folder of this name is made of these and no others. */
async function keyOfSources(): Promise<string> {
  const hash = createHash('sha256');
  const names = (await readdir(join(ROOT, 'src'), { recursive: true })).filter((name) => /\.(?:ts|sql)$/.test(name));
  const paths = [...names.toSorted().map((name) => join('src', name)), 'package-lock.json', 'package.json'];
  for (const path of paths) {
    const found = await stat(join(ROOT, path)).catch(() => null);
    hash.update(`${path} ${found?.size ?? '-'} ${found?.mtimeMs ?? '-'}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Returns the path of the program built of the sources as they are now; builds it where it is not there yet. */
export async function ensureProgram(): Promise<string> {
  const folder = join(DIST, `program-${await keyOfSources()}`);
  const main = join(folder, 'main.js');
  if ((await stat(main).catch(() => null)) === null) await build(folder);
  return main;
}

async function build(folder: string): Promise<void> {
  // Loaded only where something is built: most who ask find it there.
  const { rolldown } = await import('rolldown');
  await mkdir(DIST, { recursive: true });
  const unfinished = await mkdtemp(join(DIST, '.program-'));
  try {
    const input = Object.fromEntries(Object.entries(ENTRIES).map(([name, path]) => [name, join(ROOT, path)]));
    const bundle = await rolldown({ input, platform: 'node', cwd: ROOT, tsconfig: false });
    try {
      const names = { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' };
      await bundle.write({ dir: unfinished, format: 'esm', ...names });
    } finally {
      await bundle.close();
    }
    await cp(join(ROOT, STORE, 'migrations'), join(unfinished, 'migrations'), { recursive: true });
    // Whoever built it meanwhile built the same.
    await rename(unfinished, folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  await removeOld();
}

async function removeOld(): Promise<void> {
  for (const name of await readdir(DIST)) {
    if (!name.startsWith('program-') && !name.startsWith('.program-')) continue;
    const path = join(DIST, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}
