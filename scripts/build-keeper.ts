/** Compiles the keeper into the one file it is started from: it loads nothing later, so an upgrade cannot tear it. */
import { mkdtemp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where the built keeper lies. */
export const KEEPER_FILE = join(ROOT, 'dist', 'keeper.js');

/** Builds dist/keeper.js and returns its path. It is replaced in one step: a keeper that starts meanwhile is whole. */
export async function buildKeeper(): Promise<string> {
  await mkdir(join(ROOT, 'dist'), { recursive: true });
  const folder = await mkdtemp(join(ROOT, 'dist', '.keeper-'));
  try {
    const bundle = await rolldown({
      input: join(ROOT, 'src', 'keeper', 'program', 'main.ts'),
      platform: 'node',
      cwd: ROOT,
      tsconfig: false,
    });
    try {
      const { output } = await bundle.write({ file: join(folder, 'keeper.js'), format: 'esm', codeSplitting: false });
      const foreign = output
        .flatMap((part) => (part.type === 'chunk' ? part.imports : []))
        .filter((name) => !name.startsWith('node:'));
      if (output.length !== 1 || foreign.length > 0)
        throw new Error(`the keeper is not one file: ${foreign.join(' ')}`);
    } finally {
      await bundle.close();
    }
    await rename(join(folder, 'keeper.js'), KEEPER_FILE);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return KEEPER_FILE;
}

/** Returns the path of the keeper, built first when it is missing or older than its sources. For tests. */
export async function ensureKeeper(): Promise<string> {
  const built = await stat(KEEPER_FILE).catch(() => null);
  if (built === null) return buildKeeper();
  for (const room of ['keeper', 'kernel']) {
    const folder = join(ROOT, 'src', room);
    for (const name of await readdir(folder, { recursive: true })) {
      if (!name.endsWith('.ts') || /\.test(suite)?\.ts$/.test(name)) continue;
      if ((await stat(join(folder, name))).mtimeMs > built.mtimeMs) return buildKeeper();
    }
  }
  return KEEPER_FILE;
}

if (import.meta.main) console.log(await buildKeeper());
