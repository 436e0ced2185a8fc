/** `holdfast proof` as a person runs it: every line held, and what it writes is what it says. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureProgram } from '../../scripts/build-program.ts';
import { within } from '../support/poll.ts';

interface Proof {
  seed: number;
  held: boolean;
  lines: { group: string; name: string; held: boolean; evidence: string }[];
}

test('a place for its files that cannot be is refused before anything is played', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hf-tests-proof-'));
  try {
    await writeFile(join(folder, 'file'), '');
    const args = [await ensureProgram(), 'proof', '--output', join(folder, 'file', 'x')];
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    assert.deepEqual([status, stdout], [2, ''], stderr);
    assert.match(stderr, /--output: no directory can be made there: (?:EEXIST|ENOTDIR)[^]*\[bad-usage\]/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('every line of the proof is held', { timeout: 900_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hf-tests-proof-'));
  try {
    const output = join(folder, 'made', 'for it');
    const args = [await ensureProgram(), 'proof', '--json', '--seed', '7', '--output', output];
    const env = { ...process.env, HOLDFAST_HOME: join(folder, 'no-home') };
    const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    const code = await within(
      'the proof to end',
      new Promise<number | null>((done) => child.once('close', done)),
      840_000,
    );
    const proof = JSON.parse(printed) as Proof;
    const broken = proof.lines.filter(({ held }) => !held).map(({ name, evidence }) => `${name}: ${evidence}`);
    assert.deepEqual(broken, []);
    assert.deepEqual([code, proof.held, proof.seed], [0, true, 7]);
    const kills = proof.lines.filter(({ group }) => group === 'kill').map(({ name }) => name);
    assert.equal(new Set(kills).size, 30);
    assert.deepEqual(JSON.parse(await readFile(join(output, 'proof.json'), 'utf8')), { v: 1, ...proof });
    assert.match(await readFile(join(output, 'proof.md'), 'utf8'), /40 of 40 claims held/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
