/** What `npm ci` may do on a machine: the lock names no download address, and one package alone runs a script. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';

const root = resolve(import.meta.dirname, '..');

interface LockedPackage {
  version?: string;
  resolved?: string;
  integrity?: string;
  hasInstallScript?: boolean;
  link?: boolean;
}

interface Manifest {
  name: string;
  version: string;
  license: string;
  bin: Record<string, string>;
  engines: Record<string, string>;
  allowScripts: Record<string, boolean>;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

const lockText = readFileSync(resolve(root, 'package-lock.json'), 'utf8');
const lock = JSON.parse(lockText) as { lockfileVersion: number; packages: Record<string, LockedPackage & Manifest> };
const manifest = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as Manifest;
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');

describe('package-lock.json', () => {
  it('names no address, so that every machine downloads from its own registry', () => {
    assert.ok(locked.length > 50, `only ${locked.length} packages were read`);
    assert.deepEqual(
      locked.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
      [],
    );
    assert.doesNotMatch(lockText, /https?:\/\/[^"]*\.tgz/);
  });

  it('pins every package by its content', () => {
    for (const [path, { version, integrity, link }] of locked) {
      assert.notEqual(link, true, path);
      assert.match(version ?? '', /^\d+\.\d+\.\d+/, path);
      assert.match(integrity ?? '', /^sha512-/, path);
    }
  });

  it('lets no package but the pinned Node run a script at install', () => {
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path);
    assert.deepEqual(scripted, ['node_modules/node']);
    assert.deepEqual(manifest.allowScripts, { node: true });
  });

  it('agrees with package.json', () => {
    const own = lock.packages[''] ?? assert.fail('the lock does not name the project');
    for (const key of ['name', 'version', 'license', 'bin', 'engines', 'dependencies', 'devDependencies'] as const) {
      assert.deepEqual(own[key], manifest[key], key);
    }
  });
});

describe('package.json', () => {
  it('gives exact versions', () => {
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    assert.ok(wanted.length > 10);
    for (const [name, version] of wanted) assert.match(version, /^\d+\.\d+\.\d+$/, name);
  });

  it('asks for Node 24 and pins one', () => {
    assert.deepEqual(manifest.engines, { node: '>=24' });
    assert.match(manifest.devDependencies['node'] ?? '', /^24\./);
  });

  it('lets every script ask for Node 24 before anything else', () => {
    assert.ok(Object.keys(manifest.scripts).length >= 8);
    for (const [name, script] of Object.entries(manifest.scripts)) {
      assert.match(script, /^node scripts\/require-node\.cjs && /, name);
    }
  });

  it('does not let a project-wide engine check break an install on an older Node', () => {
    assert.doesNotMatch(readFileSync(resolve(root, '.npmrc'), 'utf8'), /engine-strict\s*=\s*true/);
    assert.match(readFileSync(resolve(root, '.npmrc'), 'utf8'), /^omit-lockfile-registry-resolved=true$/m);
  });
});
