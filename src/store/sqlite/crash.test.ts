/** SIGKILL at every point around a commit: what was answered is there, what was not is there whole or not at all. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import type { JobState } from '../../lifecycle/transitions.ts';
import type { Store } from '../store.ts';
import { newJob } from '../conformance/fixtures.ts';
import { makeScratch, startStore } from './harness.fixture.ts';

const CHILD = new URL('./crash-child.fixture.ts', import.meta.url).pathname;

interface Death {
  code: number | null;
  signal: string | null;
  /** Complete lines of stdout, as words. */
  lines: string[][];
  stderr: string;
}

/** Runs the child until it dies; kills it after some lines when asked to. */
async function runChild(path: string, failpoints: string, killAfterLines = Infinity): Promise<Death> {
  const child = spawn(process.execPath, [CHILD, path, failpoints], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (killAfterLines !== Infinity && text.split('\n').length > killAfterLines) child.kill('SIGKILL');
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      const lines = text.split('\n').slice(0, -1);
      resolve({ code, signal, lines: lines.map((line) => line.split(' ')), stderr });
    });
  });
}

const SAID: Record<string, JobState[]> = {
  accepted: ['queued', 'preparing', 'running', 'completed'],
  claimed: ['preparing', 'running', 'completed'],
  launched: ['running', 'completed'],
  settled: ['completed'],
};

/** Every answer the child printed is true of what lies on the disk now; returns how many there were. */
async function checkWitnessed(store: Store, lines: string[][]): Promise<number> {
  let answers = 0;
  for (const [word = '', id = '', third = '', key = ''] of lines) {
    const states = SAID[word];
    if (states === undefined) continue;
    answers++;
    const job = await store.getJob(id);
    assert.ok(job !== null, `${word} ${id}, but it is gone`);
    assert.ok(states.includes(job.state), `${word} ${id}, but it is ${job.state}`);
    if (word === 'claimed') assert.ok(job.fence >= Number(third));
    if (word === 'accepted') assert.equal(await store.getPrompt(job.promptSha256), `prompt ${key}`);
  }
  return answers;
}

/** A request that was sent and never answered is there, whole, or absent: asking again gives the one job there is. */
async function checkUnanswered(store: Store, lines: string[][]): Promise<void> {
  const answered = new Set(lines.filter(([word]) => word === 'accepted').map(([, , , key]) => key));
  for (const [word, key = ''] of lines) {
    if (word !== 'sent') continue;
    const idempotency = { key, requestSha256: 'e'.repeat(64) };
    const { job, replayed } = await store.acceptJob(newJob({ prompt: `prompt ${key}`, start: false, idempotency }));
    assert.ok(replayed || !answered.has(key), `${key} was accepted before and made a second job`);
    assert.equal(await store.getPrompt(job.promptSha256), `prompt ${key}`);
  }
}

describe('sqlite store, killed', () => {
  for (const name of ['store.before-commit', 'store.after-commit', 'store.after-witness']) {
    for (const hit of [2, 9]) {
      it(`keeps what it answered when killed at hit ${hit} of ${name}`, async () => {
        using scratch = makeScratch();
        const { signal, lines } = await runChild(scratch.path, `${name}:crash@${hit}`);
        assert.equal(signal, 'SIGKILL');
        await using store = await startStore({ path: scratch.path });
        const answers = await checkWitnessed(store, lines);
        assert.ok(hit < 9 || answers > 0, 'the child had answers before it died');
        const check = await store.checkDeep();
        assert.deepEqual([check.corrupt, check.witness], [[], null]);
        assert.deepEqual((await store.checkLive()).corrupt, []);
        if (hit < 9) return;
        await checkUnanswered(store, lines);
        assert.deepEqual((await store.checkDeep()).corrupt, []);
      });
    }
  }

  it('ends the process with code 70 and no answer when an outcome is unknown', async () => {
    using scratch = makeScratch();
    const { code, lines, stderr } = await runChild(scratch.path, 'store.after-commit:error@3');
    assert.equal(code, 70);
    assert.match(stderr, /whether its last write was kept is unknown: failpoint store\.after-commit/);
    await using store = await startStore({ path: scratch.path });
    const answers = await checkWitnessed(store, lines);
    assert.ok(answers < (await store.getLastSeq()) - 1, 'the last group was kept and not answered');
  });

  it('keeps what it answered over many kills of one database at any moment', async () => {
    using scratch = makeScratch();
    const all: string[][] = [];
    let last = 0;
    for (const killAfterLines of [150, 400, 2]) {
      const { signal, lines } = await runChild(scratch.path, '', killAfterLines);
      assert.equal(signal, 'SIGKILL');
      all.push(...lines);
      await using store = await startStore({ path: scratch.path });
      await checkWitnessed(store, all);
      const seq = await store.getLastSeq();
      assert.ok(seq >= last, 'the journal never gets shorter');
      last = seq;
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }
    assert.ok(all.length > 400);
  });
});
