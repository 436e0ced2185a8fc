/** What `npm run build` makes is what the published package runs: a whole job, from compiled files alone. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

describe('the package', () => {
  let dir: string;
  let pack: string;

  before(async () => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'package-')));
    pack = join(dir, 'holdfast');
    mkdirSync(join(pack, 'bin'), { recursive: true });
    for (const file of ['package.json', 'bin/holdfast']) copyFileSync(join(root, file), join(pack, file));
    symlinkSync(join(root, 'node_modules'), join(pack, 'node_modules'));
    await run(process.execPath, [join(root, 'scripts/build.ts'), join(pack, 'dist')]);
  });

  after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));

  it('holds every source compiled, its data, and no test', () => {
    const sources = globSync('src/**/*.{ts,sql}', { cwd: root }).filter(
      (path) => !/\.(?:test|testsuite|fixture)\.ts$|\/conformance\//.test(path),
    );
    const expected = [...sources.map((path) => path.slice('src/'.length).replace(/\.ts$/, '.js')), 'keeper.js'];
    assert.deepEqual(globSync('**/*.*', { cwd: join(pack, 'dist') }).toSorted(), expected.toSorted());
  });

  it('names no TypeScript file it would load', () => {
    for (const path of globSync('**/*.js', { cwd: join(pack, 'dist') })) {
      const text = readFileSync(join(pack, 'dist', path), 'utf8');
      assert.doesNotMatch(text, /(?:from|import|import\()\s*['"]\.[^'"]*\.ts['"]/, path);
      assert.doesNotMatch(text, /new URL\(\s*['"][^'"]+\.ts['"]/, path);
    }
  });

  it('runs a job from beginning to end', { timeout: 100_000 }, async () => {
    const project = join(dir, 'project');
    mkdirSync(project);
    const env = {
      PATH: [join(pack, 'bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
      HOME: dir,
      HOLDFAST_HOME: join(dir, 'state'),
    };
    const options = { cwd: project, env };
    const author = ['-c', 'user.name=Package', '-c', 'user.email=package@localhost'];
    await run('git', ['init', '-q', '-b', 'main'], options);
    await run('git', [...author, 'commit', '-q', '--allow-empty', '-m', 'Start'], options);
    try {
      const { stdout } = await run('holdfast', ['run', '--follow', '--', 'sh', '-c', 'echo compiled'], options);
      assert.equal(stdout, 'compiled\n');
      const scenario = JSON.stringify({ steps: [{ print: 'played' }, { exit: 0 }] });
      const played = await run('holdfast', ['run', '--follow', '--agent', 'scripted', scenario], options);
      assert.match(played.stdout, /^played$/m);
    } finally {
      await run('holdfast', ['server', 'stop'], options);
    }
  });
});
