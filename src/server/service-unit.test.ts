import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { renderServiceUnit, writeServiceUnit } from './service-unit.ts';

test('the unit starts this program on this home and spares the agents', () => {
  const text = renderServiceUnit({ manager: 'user', home: '/h', path: '/usr/bin:/o', words: ['--port', '7500'] });
  const lines = text.split('\n');
  assert.match(text, /^ExecStart="\/.*\/bin\/holdfast" "serve" "--home" "\/h" "--port" "7500"$/m);
  for (const line of ['KillMode=process', 'OOMPolicy=continue', 'WantedBy=default.target'])
    assert.ok(lines.includes(line), line);
  assert.ok(lines.includes('Environment="PATH=/usr/bin:/o"'));
  assert.match(renderServiceUnit({ manager: 'system', home: '/h', path: '', words: [] }), /^WantedBy=multi-user/m);
});

test('what systemd would read as its own is quoted', () => {
  const text = renderServiceUnit({ manager: 'user', home: '/a b/"c"\\$HOME%h', path: '$X', words: [] });
  assert.ok(text.includes(String.raw`"/a b/\"c\"\\$$HOME%%h"`), text);
  assert.ok(text.includes('"PATH=$X"'), 'an Environment line expands no variables');
});

test('an older unit of ours is replaced, a file of somebody else is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hf-unit-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'systemd/user/holdfast.service');
  const render = (home: string): string => renderServiceUnit({ manager: 'user', home, path: '/bin', words: [] });
  await writeServiceUnit(path, render('/one'));
  await writeServiceUnit(path, render('/two'));
  assert.equal(readFileSync(path, 'utf8'), render('/two'));
  assert.equal(statSync(path).mode & 0o777, 0o644);
  const foreign = join(folder, 'foreign/holdfast.service');
  mkdirSync(dirname(foreign));
  writeFileSync(foreign, '[Unit]\n');
  await assert.rejects(writeServiceUnit(foreign, render('/one')), (error) => isError(error, 'already-exists'));
  assert.equal(readFileSync(foreign, 'utf8'), '[Unit]\n');
});
