import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { quoteWords } from './quote-words.ts';

test('a shell reads the words back as they were', () => {
  assert.equal(quoteWords(['npm', 'test', '--', 'a b']), "npm test -- 'a b'");
  const word = fc.string().filter((text) => !text.includes('\0') && text.isWellFormed());
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
      const script = `for word in ${quoteWords(words)}; do printf '%s\\0' "$word"; done`;
      const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
      assert.deepEqual(stdout.split('\0').slice(0, -1), words);
    }),
    { numRuns: 40 },
  );
});
