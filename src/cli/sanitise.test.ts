import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cleanLine, safeJson, Sanitiser } from './sanitise.ts';

const encoder = new TextEncoder();

function sanitise(...chunks: (string | Uint8Array)[]): string {
  const sanitiser = new Sanitiser();
  let out = '';
  for (const chunk of chunks) out += sanitiser.push(typeof chunk === 'string' ? encoder.encode(chunk) : chunk);
  return out + sanitiser.end();
}

/** Everything a terminal may still be told: text, newline, tab, and colours. */
// eslint-disable-next-line no-control-regex
const SAFE = /^(?:[\t\n\x20-\x7e]|[^\u0000-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\u001b\[[\d;:]*m)*$/u;

const piece = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\u001b', '\u001b[', '\u001b]', '\u001b]52;c;', '\u0007', '\u001b\\', '\u009b', '\u009c', '\u009d'),
  fc.constantFrom('\r', '\n', '\r\n', '\b', '\u001b[2J', '\u001b[31m', '\u001b[0;1;38:5:9m', '\u001b[?25l', '\u001b(0'),
  fc.constantFrom('\u202e', '\u2066', '\u061c', '1', ';', 'm', 'A', '\u001bP', '\u001b_', '\u0090', '\u007f', '✓'),
);
const nasty = fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(''));

test('whatever comes in, only text and colours come out', () => {
  fc.assert(
    fc.property(nasty, (text) => SAFE.test(sanitise(text))),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => SAFE.test(sanitise(bytes))),
    { numRuns: 1000 },
  );
});

test('the output does not depend on how the input is cut', () => {
  fc.assert(
    fc.property(nasty, fc.array(fc.nat({ max: 400 }), { maxLength: 5 }), (text, cuts) => {
      const bytes = encoder.encode(text);
      const edges = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
      const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i] ?? 0, edge));
      assert.equal(sanitise(...chunks), sanitise(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('plain text passes unchanged and cleaning twice is cleaning once', () => {
  fc.assert(fc.property(fc.string(), (text) => sanitise(text) === text));
  fc.assert(
    fc.property(nasty, (text) => {
      const once = sanitise(text).replace(/\u001b\[0m$/, '');
      assert.equal(sanitise(once).replace(/\u001b\[0m$/, ''), once);
    }),
  );
});

test('each named attack is removed and the text around it stays', () => {
  assert.equal(sanitise('a\u001b]52;c;ZXZpbA==\u0007b'), 'ab');
  assert.equal(sanitise('a\u001b]8;;https://evil.test\u001b\\link\u001b]8;;\u001b\\b'), 'alinkb');
  assert.equal(sanitise('a\u001b]0;title\u009cb'), 'ab');
  assert.equal(sanitise('a\u001b[2J\u001b[Hb'), 'ab');
  assert.equal(sanitise('all tests FAILED\rall tests passed'), 'all tests FAILED\nall tests passed');
  assert.equal(sanitise('one\r\ntwo\r\r\nthree'), 'one\ntwo\nthree');
  assert.equal(sanitise('a\u009b31mb'), 'a\u001b[31mb\u001b[0m');
  assert.equal(sanitise('user\u202etxt.exe'), 'user<U+202E>txt.exe');
  assert.equal(sanitise('rm\b\bls'), 'rmls');
  assert.equal(sanitise('\u001b]0;never ended\nstill here'), '\nstill here');
  assert.equal(sanitise('\u001bPq#0\u001b\\x\u001b(0y\u001bcz'), 'xyz');
  assert.equal(sanitise('\u001b[31mred'), '\u001b[31mred\u001b[0m');
  assert.equal(sanitise(`\u001b[${'1;'.repeat(40)}mx`), 'x');
  assert.equal(sanitise(new Uint8Array([0x61, 0x9b, 0x32, 0x4a])), 'a\ufffd2J');
});

test('a line for our own messages carries neither colour nor line break', () => {
  assert.equal(cleanLine('  fix\n\u001b[31mthe\u001b[0m\r\n\tbug \u001b]0;x\u0007'), 'fix the bug');
});

test('JSON for a terminal means the same value and holds nothing a terminal acts on', () => {
  fc.assert(
    fc.property(nasty, (text) => {
      const json = safeJson({ text }, 2);
      assert.deepEqual(JSON.parse(json), { text });
      assert.match(json, SAFE);
    }),
  );
});
