import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from './duration.ts';
import { isError } from './errors.ts';

const YEAR_MS = 366 * 86_400_000;

describe('parseDuration', () => {
  for (const [text, ms] of Object.entries({
    '1ms': 1,
    '500ms': 500,
    '30s': 30_000,
    '5m': 300_000,
    '2h': 7_200_000,
    '1d': 86_400_000,
    '1h30m': 5_400_000,
    '1.5h': 5_400_000,
    '0.5ms': 1,
    '366d': YEAR_MS,
  })) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), ms));
  }

  for (const text of [
    '',
    ' ',
    '5',
    's',
    '5 s',
    '-5s',
    '5S',
    '1e3s',
    '5s ',
    '5s\n',
    '.5s',
    '5.s',
    '5y',
    '0s',
    '0.1ms',
    '367d',
    `${'9'.repeat(400)}d`,
    'Infinitys',
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(
        () => parseDuration(text),
        (error) => isError(error, 'bad-duration'),
      );
    });
  }

  it('gives whole milliseconds above zero, or refuses', () => {
    const part = fc.tuple(fc.double({ min: 0, max: 400, noNaN: true }), fc.constantFrom('ms', 's', 'm', 'h', 'd'));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
        const text = parts.map(([amount, unit]) => `${amount.toFixed(4)}${unit}`).join('');
        try {
          const ms = parseDuration(text);
          assert.ok(Number.isSafeInteger(ms) && ms > 0 && ms <= YEAR_MS, `${text} gives ${ms}`);
        } catch (error) {
          assert.ok(isError(error, 'bad-duration'), String(error));
        }
      }),
    );
  });
});

describe('formatDuration', () => {
  for (const [ms, text] of [
    [0, '0ms'],
    [0.4, '0ms'],
    [999, '999ms'],
    [999.6, '1s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [200_000, '3m 20s'],
    [3_600_000, '1h'],
    [7_500_000, '2h 5m'],
    [86_400_000, '1d'],
    [349_200_000, '4d 1h'],
  ] as const) {
    it(`shows ${ms} as ${text}`, () => assert.equal(formatDuration(ms), text));
  }

  it('is read back within its last unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: YEAR_MS }), (ms) => {
        const back = parseDuration(formatDuration(ms).replace(' ', ''));
        assert.ok(back <= ms && ms - back <= ms / 24, `${ms} → ${formatDuration(ms)} → ${back}`);
      }),
    );
  });
});
