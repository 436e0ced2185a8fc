/**
 * The package as a user installs it: packed, installed into an empty directory by the system's npm with a Node beside it,
 * and taken through the acceptance script of the batch API, by servers of the script's own and by one that runs already.
 * Wants the packages of package.json from the registry or from npm's cache.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { passBatchScript } from '../support/batch-script.ts';

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>;
};

describe('the installed package', { timeout: 600_000 }, () => {
  let dir: string;
  let holdfast: string;
  /** As a user's shell has it: without the pinned Node that npm scripts find first. */
  let env: NodeJS.ProcessEnv;

  before(async () => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'installed-')));
    const path = (process.env['PATH'] ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
    env = { ...process.env, PATH: path.join(delimiter), HOME: dir };
    delete env['NODE_COMPILE_CACHE'];
    const packed = await run('npm', ['pack', '--silent', '--pack-destination', dir], { cwd: root });
    const name = packed.stdout.trim().split('\n').at(-1) ?? '';
    const words = [
      'install',
      '--prefer-offline',
      '--no-audit',
      join(dir, name),
      `node@${devDependencies['node'] ?? ''}`,
    ];
    const target = join(dir, 'empty');
    mkdirSync(target);
    // npm keeps its cache and its registry where the user's home says.
    await run('npm', words, { cwd: target, env: { ...env, HOME: process.env['HOME'] } });
    holdfast = join(target, 'node_modules/.bin/holdfast');
  });

  after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));

  it('passes the acceptance script with servers of its own', async () => {
    await passBatchScript(['output', 'queue', 'lock'], { ...env, HOLDFAST: holdfast });
  });

  it('passes the acceptance script while it runs already', async () => {
    const home = join(dir, 'home');
    mkdirSync(home, { mode: 0o700 });
    writeFileSync(join(home, 'holdfast.config.json'), '{"limits": {"agentsPerHost": 4}}');
    const server = (...words: string[]) => run(holdfast, ['server', ...words, '--home', home], { cwd: dir, env });
    const { stdout } = await server('start', '--port', '0');
    try {
      const theirs = { BASE_URL: stdout.trim(), SERVER_HOME: home, HOLDFAST: holdfast };
      await passBatchScript(['output', 'queue', 'lock'], { ...env, ...theirs });
    } finally {
      const stopped = await server('stop');
      assert.match(stopped.stderr, /server stopped/);
    }
  });
});
