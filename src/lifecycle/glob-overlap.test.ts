import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { mayOverlap, parsePattern } from './glob-overlap.ts';

const overlap = (a: string, b: string): boolean => mayOverlap(parsePattern(a), parsePattern(b));

/** Few names, so that random patterns often mean the same. */
const name = fc.constantFrom('a', 'b', 'ab', 'a.ts', 'b.md', 'src');
const segment = fc.oneof(
  { weight: 3, arbitrary: name },
  fc.constantFrom('*', '**', '*.ts', 'a*', '?', '?b', '[ab]', '{a,b}', '{a,b}.ts', '*.{ts,md}', 'a*b'),
);
const glob = fc.array(segment, { minLength: 1, maxLength: 4 }).map((words) => words.join('/'));
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((words) => words.join('/'));

/** Whether a file belongs to a pattern as most tools read it: itself, or a directory above it. */
function belongs(file: string, pattern: string): boolean {
  const words = pattern.split('/').map((word) => (word === '**' ? '(?:[^/]+/)*' : `${toRegExp(word)}/`));
  return new RegExp(`^${words.join('')}`).test(`${file}/`);
}

function toRegExp(word: string): string {
  const plain = word.replaceAll(/[.]/g, '[.]').replaceAll('*', '[^/]*').replaceAll('?', '[^/]');
  return plain.replaceAll(/\{([^}]*)\}/g, (_, words: string) => `(?:${words.replaceAll(',', '|')})`);
}

/** What may stand in a pattern for a name. */
const WAYS: readonly ((word: string) => string)[] = [
  (word) => word,
  () => '*',
  () => '**',
  (word) => `**/${word}`,
  (word) => `${word.slice(0, 1)}*`,
  (word) => `*${word.slice(-1)}`,
  (word) => `${word.slice(0, 1)}*${word.slice(1)}`,
  (word) => `?${word.slice(1)}`,
  (word) => `[${word.slice(0, 1)}x]${word.slice(1)}`,
  (word) => `{${word},other}`,
];

/** Returns a pattern the file belongs to: of as many of its names as there are ways. */
function widen(file: string, ways: readonly number[]): string {
  const words = file.split('/').slice(0, ways.length);
  return words.map((word, n) => WAYS[ways[n] ?? 0]?.(word) ?? word).join('/');
}

describe('patterns of paths', () => {
  for (const [a, b, expected] of [
    ['src/**', 'src/a.ts', true],
    ['**/*.ts', 'docs/', true],
    ['**/*.ts', 'docs/a.md', true],
    ['src', 'src/api/users.ts', true],
    ['src', 'src2', false],
    ['src/api/**', 'src/web/**', false],
    ['src/*.ts', 'src/a.js', false],
    ['src/*.ts', 'src/api/*.ts', false],
    ['src/*/users.ts', 'src/api', true],
    ['src/*/users.ts', 'src/api/groups.ts', false],
    ['src/{api,web}/**', 'src/api/a.ts', true],
    ['{src/api,docs}/**', 'lib', true],
    ['!src/**', 'docs', true],
    ['+(src|lib)/**', 'docs', true],
    ['README.md', 'docs/README.md', false],
    ['*.md', 'docs/README.md', true],
    ['SRC/Api', 'src/api/a.ts', true],
    ['./src//a.ts', 'src/a.ts', true],
    ['.', 'src/a.ts', true],
    ['a**b/c', 'x', true],
    ['caf\u00e9', 'cafe\u0301', true],
  ] as const) {
    it(`${a} and ${b} ${expected ? 'may mean the same' : 'never mean the same'}`, () => {
      assert.deepEqual([overlap(a, b), overlap(b, a)], [expected, expected]);
    });
  }

  it('overlap where any file belongs to both, whatever else', () => {
    const ways = fc.array(fc.nat(WAYS.length - 1), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(path, ways, ways, (file, one, other) => {
        const [a, b] = [widen(file, one), widen(file, other)];
        assert.ok(belongs(file, a) && belongs(file, b), `${file}, ${a}, ${b}`);
        assert.ok(overlap(a, b) && overlap(b, a), `${file} belongs to ${a} and ${b}`);
      }),
      { numRuns: 2000 },
    );
  });

  it('overlap with themselves, with everything, and with what is above and below', () => {
    fc.assert(
      fc.property(glob, glob, (a, b) => {
        assert.ok(overlap(a, a) && overlap(a, '**') && overlap(a, `${a}/${b}`));
        assert.equal(overlap(a, b), overlap(b, a));
      }),
    );
  });

  it('are told apart exactly where they are plain paths', () => {
    fc.assert(
      fc.property(path, path, (a, b) => {
        assert.equal(overlap(a, b), `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`));
      }),
    );
  });

  it('of any length and any characters are judged, and quickly', () => {
    const long = '**/'.repeat(200) + 'a';
    assert.ok(overlap(long, long));
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => assert.equal(overlap(a, b), overlap(b, a))));
  });
});
