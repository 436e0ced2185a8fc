import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, sha256 } from './hash.ts';

describe('sha256', () => {
  it('gives the known sums, of text and of bytes', () => {
    assert.equal(sha256(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    assert.equal(sha256('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    assert.equal(sha256('grün'), sha256(Buffer.from('grün')));
  });
});

/** The same value with every object's keys in another order. */
function shuffle(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffle);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, shuffle(inner)]);
  return Object.fromEntries(entries.toReversed());
}

describe('canonicalJson', () => {
  it('sorts keys at every depth and keeps the order of arrays', () => {
    assert.equal(canonicalJson({ b: [{ d: 1, c: null }, 2], a: 'x' }), '{"a":"x","b":[{"c":null,"d":1},2]}');
  });

  it('gives equal values equal text, and text that reads back as the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        assert.equal(canonicalJson(shuffle(value)), text);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('keeps a key named __proto__', () => {
    assert.equal(canonicalJson(JSON.parse('{"__proto__":{"x":1}}')), '{"__proto__":{"x":1}}');
  });
});
