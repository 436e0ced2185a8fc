/**
 * `npm run build`: makes `dist/` (or the directory it is given), what the published package runs. A checkout needs only `dist/keeper.js` of it (`npm
 * run prepare`), because Node reads the sources as they are.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { buildKeeper } from './build-keeper.ts';

const root = resolve(import.meta.dirname, '..');
const dist = resolve(process.argv[2] ?? join(root, 'dist'));

/** Folders of a keeper and of the program that tests start: whoever makes them takes away the old ones. */
const MADE_ELSEWHERE = /^\.?(?:keeper|program)[-.]/;

/** Removes what an older build left; what others make here stays in place, because it may be about to be started. */
function clearDist(): void {
  mkdirSync(dist, { recursive: true });
  for (const name of readdirSync(dist)) {
    if (!MADE_ELSEWHERE.test(name)) rmSync(join(dist, name), { recursive: true });
  }
}

/** The compiler rewrites `.ts` in imports only; a worker or a program named by `new URL` must be renamed here. */
function rewriteUrls(): void {
  for (const file of globSync('**/*.js', { cwd: dist, exclude: ['keeper.js', 'program-*/**', '.program-*/**'] })) {
    const path = join(dist, file);
    const before = readFileSync(path, 'utf8');
    const after = before.replace(/(new URL\(\s*['"]\.{1,2}\/[^'"]+)\.ts(['"]\s*,\s*import\.meta\.url)/g, '$1.js$2');
    if (after !== before) writeFileSync(path, after);
  }
}

/** Copies what is read as a file beside the code that reads it. */
function copyData(): void {
  for (const file of globSync('**/*.sql', { cwd: join(root, 'src') })) {
    const target = join(dist, file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(root, 'src', file), target);
  }
}

clearDist();
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const flags = ['-p', 'tsconfig.build.json', '--outDir', dist];
execFileSync(process.execPath, [compiler, ...flags], { cwd: root, stdio: 'inherit' });
rewriteUrls();
copyData();
const keeper = await buildKeeper();
if (keeper !== join(dist, 'keeper.js')) copyFileSync(keeper, join(dist, 'keeper.js'));
