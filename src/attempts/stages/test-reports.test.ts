/** Reports of tests where the operator said: fresh ones, plain ones, within bounds; a gate may have left anything there. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readReports } from './test-reports.ts';

test('fresh reports are read in the order of their names; links, strangers and what is too long give none', async () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-reports-'));
  try {
    const look = async (patterns = ['reports/*.xml', 'top.xml'], since = 0, maxBytes = 100): Promise<string[] | null> =>
      (await readReports({ root, patterns, since, maxBytes }))?.map(String) ?? null;
    assert.deepEqual(await look(), [], 'no directory');
    mkdirSync(join(root, 'reports', 'deep.xml'), { recursive: true });
    const write = (path: string, text: string): void => writeFileSync(join(root, path), text);
    for (const name of ['reports/b.xml', 'reports/a.xml', 'reports/c.txt', 'reports/ab_xml', 'top.xml'])
      write(name, name);
    assert.equal(await look(), null, 'a directory has the name of a report');
    rmSync(join(root, 'reports', 'deep.xml'), { recursive: true });
    assert.deepEqual(await look(), ['reports/a.xml', 'reports/b.xml', 'top.xml']);
    assert.deepEqual(await look(['reports/*.xml', 'reports/a*']), ['reports/a.xml', 'reports/ab_xml', 'reports/b.xml']);
    assert.deepEqual(await look(['*/a.xml']), [], 'stars are for names, not for directories');
    assert.deepEqual(await look(undefined, Date.now() + 60_000), [], 'left by an earlier run');
    assert.equal(await look(undefined, 0, 20), null, 'too long together');
    symlinkSync('/etc/hostname', join(root, 'reports', 'z.xml'));
    assert.equal(await look(), null);
    rmSync(join(root, 'reports', 'z.xml'));
    symlinkSync(join(root, 'reports'), join(root, 'linked'));
    assert.equal(await look(['linked/*.xml']), null, 'nor through a link to a directory');
  } finally {
    rmSync(root, { recursive: true });
  }
});
