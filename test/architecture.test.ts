/** The rooms, their import table and the owners of every capability, enforced on the sources; then the rules themselves. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { SUITES } from '../scripts/test-suites.ts';
import { EXCEPTIONS } from './architecture/exceptions.ts';
import { applyExceptions, findViolations, type House, type Violation } from './architecture/judge.ts';
import { readSource } from './architecture/read-source.ts';
import { ROOM_IMPORTS } from './architecture/rules.ts';

const root = resolve(import.meta.dirname, '..');
const suites = Object.values(SUITES).flatMap(({ globs }) => globs.map(({ pattern }) => pattern));

function readHouse(): House {
  const paths = globSync('{src,test,bench,scripts}/**/*.ts', { cwd: root, exclude: ['test/{golden,fixtures}/**'] });
  const files = paths.toSorted().map((path) => readSource(path, readFileSync(join(root, path), 'utf8')));
  return { files, suites };
}

function show({ path, line, rule, what }: Violation): string {
  return `${path}:${line} [${rule}] ${what}`;
}

describe('the house', () => {
  const house = readHouse();
  const { left, unused } = applyExceptions(findViolations(house), EXCEPTIONS);

  it('keeps its rules', () => {
    assert.deepEqual(left.map(show), []);
  });

  it('keeps no exception that hides nothing, and gives each a reason', () => {
    assert.deepEqual(
      unused.map(({ path, rule }) => `${path} [${rule}]`),
      [],
    );
    for (const { path, reason } of EXCEPTIONS) assert.ok(reason.length > 20, `the exception of ${path} has no reason`);
  });

  it('sees files in every room', () => {
    const seen = new Set(house.files.map(({ path }) => path.split('/').slice(0, 2).join('/')));
    for (const room of Object.keys(ROOM_IMPORTS)) assert.ok(seen.has(`src/${room}`), `nothing of ${room} was read`);
  });

  it('has an import table without a circle', () => {
    const table: Record<string, readonly string[]> = ROOM_IMPORTS;
    const visit = (room: string, chain: readonly string[]): void => {
      assert.ok(!chain.includes(room), `a circle: ${[...chain, room].join(' → ')}`);
      for (const next of table[room] ?? assert.fail(`${room} is not in the table`)) visit(next, [...chain, room]);
    };
    for (const room of Object.keys(table)) visit(room, []);
  });
});

/** Judges a small tree; returns what was found as `path [rule]`. */
function judge(tree: Record<string, string>): string[] {
  const files = Object.entries(tree).map(([path, text]) => readSource(path, text));
  return findViolations({ files, suites }).map(({ path, rule }) => `${path} [${rule}]`);
}

const KERNEL = { 'src/kernel/a.ts': 'export const a = 1;' };

describe('the rules', () => {
  it('refuse an empty tree', () => {
    assert.throws(() => judge({}), /no source file was found/);
    assert.throws(() => judge({ 'test/a.test.ts': '' }), /no source file was found/);
  });

  it('refuse a file that cannot be parsed', () => {
    assert.throws(() => judge({ 'src/kernel/a.ts': 'export const = ;' }), /src\/kernel\/a\.ts/);
  });

  it('accept what the table allows', () => {
    assert.deepEqual(
      judge({ ...KERNEL, 'src/store/b.ts': "import { a } from '../kernel/a.ts';\nexport const b = a;" }),
      [],
    );
  });

  it('are not fooled by comments, strings and look-alikes', () => {
    const text = [
      "// import { x } from '../store/b.ts'; process.env, Date.now()",
      "/* import('node:sqlite') */",
      'export const text = "import \'../store/b.ts\'; process.kill(1)";',
      'export const pattern = /new Date()/;',
      'export const at = new Date(0);',
      'export const mine = { env: { env: 1 } }.env;',
    ].join('\n');
    assert.deepEqual(judge({ 'src/lifecycle/a.ts': text }), []);
  });

  const planted: Record<string, { text: string; rule: string; path?: string }> = {
    'an import against the table': { text: "import { a } from '../store/b.ts';", rule: 'rooms' },
    'a type import against the table': { text: "import type { a } from '../store/b.ts';", rule: 'rooms' },
    'an inline type import against the table': { text: "type A = import('../store/b.ts').A;", rule: 'rooms' },
    'a re-export against the table': { text: "export { a } from '../store/b.ts';\nexport const c = 1;", rule: 'rooms' },
    'a dynamic import against the table': { text: "await import('../store/b.ts');", rule: 'rooms' },
    'a worker against the table': { text: "new URL('../store/b.ts', import.meta.url);", rule: 'rooms' },
    'a worker chosen by a condition': {
      text: "new URL(x ? '../store/b.ts' : '../store/b.js', import.meta.url);",
      rule: 'rooms',
    },
    'a side-effect import': { text: "import '../store/b.ts';", rule: 'rooms' },
    'an import of a test': { text: "import '../kernel/a.test.ts';", rule: 'rooms' },
    'an import of the scripts': { text: "import '../../scripts/build.ts';", rule: 'rooms' },
    'a missing extension': { text: "import '../kernel/a';", rule: 'imports' },
    'a .js extension': { text: "import '../kernel/a.js';", rule: 'imports' },
    'a file that does not exist': { text: "import '../kernel/none.ts';", rule: 'imports' },
    'an absolute import': { text: "import '/etc/a.ts';", rule: 'imports' },
    'a package of another room': { text: "import fastify from 'fastify';", rule: 'packages' },
    'a built-in without node:': { text: "import fs from 'fs';", rule: 'packages' },
    'a barrel': { text: "export { a } from '../kernel/a.ts';", rule: 'barrels' },
    'a star export': { text: "export * from '../kernel/a.ts';\nexport const b = 1;", rule: 'barrels' },
    'a long file': { text: 'export const a = 1;\n'.repeat(401), rule: 'length' },
    'overloads without a docstring': {
      text: 'export function a(b: 1): void;\nexport function a(b: unknown): void {}',
      rule: 'docstrings',
    },
    'an exported function without a docstring': { text: 'export function a() {}', rule: 'docstrings' },
    'a room that does not exist': { text: '', path: 'src/attic/a.ts', rule: 'rooms' },
    'a file in no room': { text: '', path: 'src/a.ts', rule: 'rooms' },
    'a folder named by kind': { text: '', path: 'src/lifecycle/utils/a.ts', rule: 'folders' },
    'a test that no suite runs': { text: '', path: 'test/attic/a.test.ts', rule: 'suites' },
    'the child process module': { text: "import { spawn } from 'node:child_process';", rule: 'child processes' },
    'process.kill': { text: 'process.kill(1);', rule: 'signals' },
    'process["kill"]': { text: "process['kill'](1);", rule: 'signals' },
    'kill of node:process': { text: "import { kill } from 'node:process';", rule: 'signals' },
    'node:sqlite': { text: "import { DatabaseSync } from 'node:sqlite';", rule: 'sqlite' },
    'node:sqlite, loaded late': { text: "await import('node:sqlite');", rule: 'sqlite' },
    'Date.now': { text: 'Date.now();', rule: 'wall clock' },
    'new Date()': { text: 'new Date();', rule: 'wall clock' },
    'Date()': { text: 'Date();', rule: 'wall clock' },
    'process.env': { text: 'process.env.HOME;', rule: 'environment' },
    'globalThis.process.env': { text: 'globalThis.process.env;', rule: 'environment' },
    'a destructured environment': { text: 'const { env } = process;', rule: 'environment' },
    'the module node:process': { text: "import process from 'node:process';", rule: 'environment' },
    'git as an argument list': { text: "const argv = ['git', 'status'];", rule: 'git command' },
    'git as a command': { text: "execFileSync('git', []);", rule: 'git command' },
    'a file written beside the durable way': {
      text: "import { writeFile } from 'node:fs/promises';",
      rule: 'file writes',
    },
    'a rename beside the durable way': { text: "import { renameSync } from 'node:fs';", rule: 'file writes' },
    'all of node:fs': { text: "import * as fs from 'node:fs';", rule: 'file writes' },
  };
  for (const [name, { text, rule, path = 'src/lifecycle/planted.ts' }] of Object.entries(planted)) {
    it(`name ${name}`, () => {
      const found = judge({
        ...KERNEL,
        'src/kernel/a.test.ts': '',
        'src/store/b.ts': 'export type A = 1;\nexport const a = 1;',
        'scripts/build.ts': '',
        [path]: text,
      });
      assert.deepEqual([...new Set(found)], [`${path} [${rule}]`]);
    });
  }

  it('let a capability be used by its owner, and by tests', () => {
    const text = "import { spawn } from 'node:child_process';";
    assert.deepEqual(judge({ 'src/keeper/a.ts': text, 'src/store/a.test.ts': text }), []);
  });

  it('ask one docstring of overloads', () => {
    const text = '/** Returns b. */\nexport function a(b: 1): 1;\nexport function a(b: unknown): unknown {}';
    assert.deepEqual(judge({ 'src/lifecycle/a.ts': text }), []);
  });

  it('let cli see only the contract of api', () => {
    const api = { 'src/api/contract.ts': '', 'src/api/contract/job.ts': '', 'src/api/server.ts': '' };
    const contract = "import '../api/contract.ts';\nimport type { J } from '../api/contract/job.ts';";
    assert.deepEqual(judge({ ...api, 'src/cli/a.ts': contract }), []);
    assert.deepEqual(judge({ ...api, 'src/cli/a.ts': "import type { S } from '../api/server.ts';" }), [
      'src/cli/a.ts [rooms]',
    ]);
  });

  it('name the way by which a lazy package is loaded', () => {
    const tree = (how: string): Record<string, string> => ({
      'src/cli/main.ts': how,
      'src/server/serve.ts': "import fastify from 'fastify';",
    });
    assert.deepEqual(judge(tree("import '../server/serve.ts';")), ['src/server/serve.ts [lazy]']);
    assert.deepEqual(judge(tree("await import('../server/serve.ts');")), []);
    assert.deepEqual(judge(tree("import type { S } from '../server/serve.ts';")), []);
  });

  it('fail an exception that hides nothing', () => {
    const violation: Violation = { path: 'src/a.ts', line: 1, rule: 'length', what: '' };
    const used = { path: 'src/a.ts', rule: 'length', reason: '' } as const;
    const unused = { path: 'src/b.ts', rule: 'length', reason: '' } as const;
    assert.deepEqual(applyExceptions([violation], [used, unused]), { left: [], unused: [unused] });
    assert.deepEqual(applyExceptions([violation], []), { left: [violation], unused: [] });
  });
});
