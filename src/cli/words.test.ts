import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidArgumentError } from 'commander';
import { isError } from '../kernel/errors.ts';
import { collect, splitWords, wholeNumber } from './words.ts';

test('a command is split as a shell splits words, and nothing in it is run', () => {
  assert.deepEqual(splitWords('npm test'), ['npm', 'test']);
  assert.deepEqual(splitWords("  sh -c 'a  b; $(c)' \t x"), ['sh', '-c', 'a  b; $(c)', 'x']);
  assert.deepEqual(splitWords('"a \\"b\\" \\n" \'\\\' a\\ b ""'), ['a "b" \\n', '\\', 'a b', '']);
  assert.deepEqual(splitWords(`pre"mid"'end'`), ['premidend']);
  assert.deepEqual(splitWords('a && b | c > $d *'), ['a', '&&', 'b', '|', 'c', '>', '$d', '*']);
});

test('any words survive being quoted and split', () => {
  const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
  const words = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 6 });
  fc.assert(fc.property(words, (list) => assert.deepEqual(splitWords(list.map(quote).join(' ')), list)));
});

test('an open quote and an empty command are refused', () => {
  for (const text of ["a 'b", 'a "b', '', '   ']) {
    assert.throws(
      () => splitWords(text),
      (error) => isError(error, 'bad-usage'),
      text,
    );
  }
});

test('a whole number outside of its bounds is refused, and so is anything else', () => {
  const parse = wholeNumber(-5, 100);
  for (const [text, value] of [
    ['-5', -5],
    ['0', 0],
    ['100', 100],
  ] as const)
    assert.equal(parse(text), value);
  for (const text of ['101', '-6', '1.5', '1e1', '', ' 1', '0x10', 'NaN', '9'.repeat(20)]) {
    assert.throws(() => parse(text), InvalidArgumentError, text);
  }
});

test('a repeated option collects its values in order', () => {
  assert.deepEqual(collect('b', collect('a', undefined)), ['a', 'b']);
});
