import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { delay } from '../kernel/backoff.ts';
import { systemClock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { countSpans } from './histogram.ts';
import { countAll, Journal } from './journal.fixture.ts';
import { createStatistics, type Statistics } from './statistics.ts';
import { decodeStatistics, encodeStatistics, readStatistics } from './statistics-file.ts';

interface Opened {
  statistics: Statistics;
  lines: string[];
  damage: string[];
}

async function open(journal: Journal, writeMs = 600_000): Promise<Opened> {
  const lines: string[] = [];
  const note = (text: string): void => void lines.push(text);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const damage: string[] = [];
  const common = { store: journal.store, clock: systemClock, log, path: journal.file, writeMs };
  const statistics = createStatistics({ ...common, onDamage: (what) => damage.push(what) });
  await statistics.start();
  return { statistics, lines, damage };
}

/** Waits until everything the journal has is counted. */
async function settle(journal: Journal, { statistics }: Opened): Promise<void> {
  const last = await journal.store.getLastSeq();
  for (const until = performance.now() + 30_000; performance.now() < until; await delay(5)) {
    if (statistics.read().complete && statistics.read().throughSeq >= last) return;
  }
  assert.fail('the journal was not counted');
}

/** Numbers of the file against those of the journal, counted at once from its beginning to where the file ends. */
async function checkFile(journal: Journal): Promise<void> {
  const reading = await readStatistics(journal.file);
  assert.ok(reading.kind === 'ok', reading.kind);
  const { throughSeq } = reading.state;
  const counted = countAll((await journal.events()).filter(({ seq }) => seq <= throughSeq));
  assert.equal(encodeStatistics(reading.state), encodeStatistics(counted.state));
}

const SPANS = { waiting: 3, preparing: 5, running: 11 };

/** A small generator, so that a failure can be played again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('counting', () => {
  it('follows the commits, and writes what it counted when it is stopped', async () => {
    await using journal = await Journal.open();
    const opened = await open(journal);
    await settle(journal, opened);
    for (let n = 0; n < 6; n++) await journal.play(SPANS);
    await settle(journal, opened);
    assert.equal(opened.statistics.durationsOf('app', 'exec')?.samples, 6);
    assert.equal((await readStatistics(journal.file)).kind, 'absent');
    await opened.statistics.stop();
    await checkFile(journal);
    const again = await open(journal);
    assert.equal(again.statistics.read().throughSeq, await journal.store.getLastSeq());
    assert.equal(again.statistics.durationsOf('app', 'exec')?.samples, 6);
    await again.statistics.stop();
  });

  it('writes by itself, not more often than it may', async () => {
    await using journal = await Journal.open();
    const opened = await open(journal, 20);
    await journal.play(SPANS);
    await settle(journal, opened);
    for (const until = performance.now() + 30_000; performance.now() < until; await delay(5)) {
      const reading = await readStatistics(journal.file);
      if (reading.kind === 'ok' && reading.state.groups.length > 0) break;
    }
    await checkFile(journal);
    await opened.statistics.stop();
  });

  for (const seed of [1, 2, 3]) {
    it(`comes to the same numbers over any number of crashes, seed ${seed}`, async () => {
      await using journal = await Journal.open();
      const next = random(seed);
      let opened = await open(journal);
      const running: Awaited<ReturnType<Journal['launch']>>[] = [];
      for (let step = 0; step < 250; step++) {
        journal.now += next(1000) - 5;
        const what = next(20);
        const job = running[next(Math.max(1, running.length))];
        if (what < 6) await journal.accept(next(2) === 0 ? 'app' : 'lib', next(3) === 0 ? 'other' : 'exec');
        else if (what < 11) {
          const claimed = await journal.claim();
          if (claimed !== null) running.push(await journal.launch(claimed));
        } else if (what < 18 && job !== undefined) {
          running.splice(running.indexOf(job), 1);
          const end = (['complete', 'fail', 'interrupt', 'cancel', 'time_out'] as const)[next(5)] ?? 'complete';
          const ended = await journal.settle(job, end);
          if (end === 'fail' && next(2) === 0)
            await journal.store.moveJob({ id: ended.id, transition: 'retry', fence: null, actor: 'test' });
        } else if (what === 18) {
          // What a kill leaves: the file as it was last written, whatever was counted since.
          const isStopped = next(2) === 0;
          if (!isStopped) await copyFile(journal.file, `${journal.file}.kept`).catch(() => undefined);
          await opened.statistics.stop();
          if (!isStopped) {
            await rm(journal.file, { force: true });
            await copyFile(`${journal.file}.kept`, journal.file).catch(() => undefined);
          }
          await journal.boot();
          if (next(2) === 0) await journal.ready();
          opened = await open(journal);
        }
      }
      await settle(journal, opened);
      await opened.statistics.stop();
      await checkFile(journal);
      const groups = opened.statistics.read().groups;
      const ended = groups.flatMap((group) => Object.values(group.ended)).reduce((sum, one) => sum + one, 0);
      const timed = groups.reduce((sum, { stages }) => sum + countSpans(stages.running), 0);
      assert.ok(groups.length === 4 && ended > 40 && timed > 10, `${ended} jobs ended, ${timed} runs were timed`);
    });
  }

  it('never counts a job again that was removed after it was counted, nor loses it', async () => {
    await using journal = await Journal.open();
    const job = await journal.play(SPANS);
    const opened = await open(journal);
    await settle(journal, opened);
    await journal.store.removeJob({ id: job.id, actor: 'test' });
    await opened.statistics.stop();
    const again = await open(journal);
    await settle(journal, again);
    assert.equal(again.statistics.durationsOf('app', 'exec')?.samples, 1);
    await again.statistics.stop();
  });
});

describe('a file that cannot be used', () => {
  async function startOn(journal: Journal, change: (text: string) => string): Promise<Opened> {
    await journal.play(SPANS);
    const first = await open(journal);
    await settle(journal, first);
    await first.statistics.stop();
    await writeFile(journal.file, change(await readFile(journal.file, 'utf8')));
    const opened = await open(journal);
    await settle(journal, opened);
    assert.equal(opened.statistics.durationsOf('app', 'exec')?.samples, 1);
    assert.equal(opened.statistics.durationsOf('app', 'exec')?.p50Ms, SPANS.running);
    await opened.statistics.stop();
    await checkFile(journal);
    return opened;
  }

  it('is set aside and told of when it is damaged, and counted anew from the journal', async () => {
    await using journal = await Journal.open();
    const { damage, lines } = await startOn(journal, (text) => text.replace('"success":1', '"success":9'));
    assert.match(damage.join(), /its sum is wrong; it is kept as .*statistics\.json\.damaged/);
    assert.match(lines.join('\n'), /is damaged: its sum is wrong/);
    assert.match(await readFile(`${journal.file}.damaged`, 'utf8'), /"success":9/);
  });

  it('is counted anew when it is of another version', async () => {
    await using journal = await Journal.open();
    const { damage, lines } = await startOn(journal, (text) => {
      const reading = decodeStatistics(text);
      assert.ok(reading.kind === 'ok');
      return encodeStatistics(reading.state, 2);
    });
    assert.deepEqual(damage, []);
    assert.match(lines.join('\n'), /is of another version/);
  });

  it('is counted anew when it is ahead of the journal, or of another one', async () => {
    await using journal = await Journal.open();
    const rewrite =
      (change: { throughSeq?: number; throughHash?: string }) =>
      (text: string): string => {
        const reading = decodeStatistics(text);
        assert.ok(reading.kind === 'ok');
        return encodeStatistics({ ...reading.state, groups: [], ...change });
      };
    const ahead = await startOn(journal, rewrite({ throughSeq: 100_000 }));
    assert.match(ahead.lines.join('\n'), /is ahead of the journal/);
    await using other = await Journal.open();
    const foreign = await startOn(other, rewrite({ throughHash: 'f'.repeat(64) }));
    assert.match(foreign.lines.join('\n'), /was counted from another journal/);
  });

  it('holds nobody up when it can neither be read nor written', async () => {
    await using journal = await Journal.open();
    await mkdir(journal.file);
    await journal.play(SPANS);
    const opened = await open(journal);
    await settle(journal, opened);
    assert.equal(opened.statistics.durationsOf('app', 'exec')?.samples, 1);
    await opened.statistics.stop();
    assert.match(opened.lines.join('\n'), /cannot be used[^]*could not be written/);
  });

  it('is damaged whatever part of it was changed', async () => {
    await using journal = await Journal.open();
    await journal.play(SPANS);
    const text = encodeStatistics(countAll(await journal.events()).state);
    assert.equal(decodeStatistics(text).kind, 'ok');
    for (let at = 0; at < text.length - 1; at++) {
      const bytes = Buffer.from(text);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      const reading = decodeStatistics(bytes.toString());
      assert.equal(reading.kind, 'damaged', `byte ${at}: ${bytes.toString()}`);
    }
    for (const broken of ['', '{}', 'null', '[]', text.slice(0, 100)])
      assert.equal(decodeStatistics(broken).kind, 'damaged', broken);
  });
});
