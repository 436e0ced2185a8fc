import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createOutputWatch } from './watch-output.ts';

/** Returns a job directory that exists, and what resolves with the next event; the timer of the fallback never fires. */
function watchFrom(context: TestContext): { runDir: string; next: () => Promise<void> } {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const folder = mkdtempSync(join(tmpdir(), 'hf-watch-'));
  const runDir = join(folder, 'attempts', '1');
  let seen = Promise.withResolvers<void>();
  const stop = createOutputWatch().watch(runDir, () => seen.resolve());
  context.after(() => {
    stop();
    rmSync(folder, { recursive: true });
  });
  return {
    runDir,
    next: () => {
      seen = Promise.withResolvers();
      return seen.promise;
    },
  };
}

test(
  'growth is told of at once, also in a run directory that was not there at first',
  { timeout: 20_000 },
  async (t) => {
    const { runDir, next } = watchFrom(t);
    const made = next();
    mkdirSync(runDir, { recursive: true });
    await made;
    for (let line = 0; line < 3; line++) {
      const grown = next();
      appendFileSync(join(runDir, 'output'), 'line\n');
      await grown;
    }
  },
);

test('a directory made in two steps is followed down', { timeout: 20_000 }, async (t) => {
  const { runDir, next } = watchFrom(t);
  for (const path of [join(runDir, '..'), runDir, join(runDir, 'inner')]) {
    const made = next();
    mkdirSync(path);
    await made;
  }
});

test('nothing above it exists either: the timer looks again', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let calls = 0;
  const stop = createOutputWatch().watch(join(tmpdir(), 'hf-none', 'a', 'b', 'c'), () => calls++);
  t.mock.timers.tick(2000);
  stop();
  t.mock.timers.tick(2000);
  assert.equal(calls, 2);
});
