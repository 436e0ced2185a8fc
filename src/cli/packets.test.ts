import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { judgePacket } from '../pipeline/packet.ts';
import { readPackets } from './packets.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-packets-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = {
  title: 'Greet people by name',
  goal: 'The greeting names the person it greets.',
  acceptance: ['`greet Ann` prints "Hello, Ann"'],
  scope: ['src/greet.js'],
  risk: 'low',
};

async function read(name: string, text: string): Promise<unknown[]> {
  writeFileSync(join(folder, name), text);
  return (await readPackets(name, folder)).map(({ value }) => value);
}

async function refused(name: string, text: string): Promise<string> {
  try {
    await read(name, text);
  } catch (error) {
    assert.ok(isError(error, 'bad-packet'), String(error));
    return error.detail;
  }
  return 'it was taken';
}

describe('packets in files', () => {
  it('are the same packet as JSON, YAML and Markdown with front matter', async () => {
    const yaml = `title: Greet people by name
goal: The greeting names the person it greets.
acceptance: ['\`greet Ann\` prints "Hello, Ann"']
scope: [src/greet.js]
risk: low
`;
    const withoutGoal = yaml.replace(/^goal:.*\n/m, '');
    const forms = [
      await read('a.json', JSON.stringify(GOOD)),
      await read('a.yaml', yaml),
      await read('a.md', `---\n${withoutGoal}---\n\nThe greeting names the person it greets.\n`),
    ];
    const hashes = forms.map(([value]) => {
      const judged = judgePacket(value);
      assert.ok('packet' in judged && judged.missing.length === 0);
      return judged.sha256;
    });
    assert.equal(new Set(hashes).size, 1, 'the hash is that of the packet, not of its file');
  });

  it('come one by one from a list, and from several documents', async () => {
    assert.equal((await read('b.json', JSON.stringify([GOOD, { title: 'Weak' }]))).length, 2);
    assert.equal((await read('b.yml', 'title: one\n---\ntitle: two\n---\n- title: three\n- title: four\n')).length, 4);
    const named = await readPackets('b.json', folder);
    assert.deepEqual(
      named.map(({ name }) => name),
      ['b.json #1', 'b.json #2'],
    );
  });

  it('that cannot be read are refused with the name of their file', async () => {
    assert.match(await refused('c.json', '{"title": '), /^c\.json: /);
    assert.match(await refused('c.yaml', 'title: a\ntitle: b\n'), /^c\.yaml: .*unique/);
    assert.match(await refused('c.yml', ''), /holds no packet/);
    // Each alias repeats the one before it: ten lines that would be gigabytes.
    const laughs = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`);
    assert.match(await refused('d.yaml', `a0: &a0 x\n${laughs.join('\n')}\n`), /^d\.yaml|alias/i);
    await assert.rejects(readPackets('none.json', folder), (error) => isError(error, 'bad-packet'));
    await assert.rejects(readPackets('.', folder), (error) => isError(error, 'bad-packet'));
  });
});
