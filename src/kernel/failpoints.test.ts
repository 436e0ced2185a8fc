import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { armFailpoints, failpoint, FAILPOINTS } from './failpoints.ts';

const fixture = join(import.meta.dirname, 'failpoints.fixture.ts');

afterEach(() => armFailpoints(undefined));

describe('armFailpoints', () => {
  for (const bad of [
    'store.before-commit',
    'store.before-commit:',
    'store.before-commit:explode',
    'store.before-commit:crash@',
    'store.before-commit:crash@0',
    'store.before-commit:crash@-1',
    'store.before-commit:crash@x',
    'store.nowhere:crash',
    ' store.before-commit:crash',
    'store.before-commit:crash;store.after-commit:crash',
    'store.before-commit:error@1,store.before-commit:error@2',
  ]) {
    it(`refuses ${JSON.stringify(bad)}`, () => {
      assert.throws(() => armFailpoints(bad), /HOLDFAST_FAILPOINTS/);
    });
  }

  it('takes every name, and several at once', () => {
    armFailpoints(FAILPOINTS.map((name, i) => `${name}:error@${i + 1}`).join(','));
    for (const [i, name] of FAILPOINTS.entries()) {
      for (let hit = 1; hit <= i; hit++) failpoint(name);
      assert.throws(() => failpoint(name), { code: 'EIO', message: `failpoint ${name}` });
      failpoint(name);
    }
  });

  it('disarms what was armed before', () => {
    for (const nothing of [undefined, '', ',', 'store.after-commit:error']) {
      armFailpoints('store.before-commit:error');
      armFailpoints(nothing);
      failpoint('store.before-commit');
    }
  });
});

describe('the names', () => {
  it('are unique and begin with the part they belong to', () => {
    assert.equal(new Set(FAILPOINTS).size, FAILPOINTS.length);
    for (const name of FAILPOINTS) assert.match(name, /^[a-z]+\.(before|after)-[a-z]+(-[a-z]+)*$/);
  });
});

/** What a process said and how it ended; `out` grows while it runs. */
interface Running {
  child: ChildProcess;
  out: () => string;
  ended: Promise<{ code: number | null; signal: string | null }>;
}

function start(specification: string, where: 'main' | 'worker'): Running {
  const child = spawn(process.execPath, [fixture, specification, where], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended: Running['ended'] = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return { child, out: () => said, ended };
}

function lines(...hits: (number | 'EIO')[]): string {
  const spoken = hits.map((hit) => (hit === 'EIO' ? 'EIO: Error: failpoint store.before-commit' : `reached ${hit}`));
  return `${spoken.join('\n')}\n`;
}

async function isStopped(pid: number): Promise<boolean> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    if (/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return true;
    await sleep(10);
  }
  return false;
}

for (const where of ['main', 'worker'] as const) {
  describe(`a failpoint in the ${where === 'main' ? 'main thread' : 'worker'} of a process`, () => {
    it('passes when another is armed', async () => {
      const run = start('store.after-commit:crash', where);
      assert.deepEqual(await run.ended, { code: 0, signal: null });
      assert.equal(run.out(), `${lines(1, 2, 3)}passed\n`);
    });

    for (const at of [1, 2, 3]) {
      it(`crashes at hit ${at}, and not one instruction later`, async () => {
        const run = start(`store.before-commit:crash@${at}`, where);
        assert.deepEqual(await run.ended, { code: null, signal: 'SIGKILL' });
        assert.equal(run.out(), lines(...[1, 2, 3].slice(0, at)));
      });
    }

    it('fails once with EIO', async () => {
      const run = start('store.before-commit:error@2', where);
      assert.deepEqual(await run.ended, { code: 0, signal: null });
      assert.equal(run.out(), `${lines(1, 2, 'EIO', 3)}passed\n`);
    });

    it('stops the process, which goes on when continued', async () => {
      const run = start('store.before-commit:stop@2', where);
      try {
        assert.ok(await isStopped(run.child.pid ?? 0), 'it did not stop');
        // What it wrote before it stopped may still be on its way here.
        for (let looks = 0; looks < 500 && run.out() !== lines(1, 2); looks++) await sleep(10);
        assert.equal(run.out(), lines(1, 2));
      } finally {
        run.child.kill('SIGCONT');
      }
      assert.deepEqual(await run.ended, { code: 0, signal: null });
      assert.equal(run.out(), `${lines(1, 2, 3)}passed\n`);
    });
  });
}
