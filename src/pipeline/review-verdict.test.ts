import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MAX_VERDICT_BYTES, readReviewVerdict, type ReviewReading } from './review-verdict.ts';

const ASKED = { job: 'job_1', epoch: 3, candidate: 'c'.repeat(40), nonce: 'n1' };
const GOOD = { v: 1, ...ASKED, verdict: 'PASS', score: 90, summary: 'well done', findings: [] as object[] };

const read = (value: unknown): ReviewReading =>
  readReviewVerdict(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), ASKED, { leastScore: 80 });

describe('a verdict file', () => {
  test('passes only as PASS with a score that is high enough and nothing critical', () => {
    assert.equal(read(GOOD).result, 'PASS');
    assert.equal(read({ ...GOOD, score: 79 }).result, 'FAIL');
    assert.equal(read({ ...GOOD, findings: [{ severity: 'critical', text: 'eats data' }] }).result, 'FAIL');
    assert.equal(
      read({ ...GOOD, findings: [{ severity: 'major', path: 'a.ts', line: 3, text: 'slow' }] }).result,
      'PASS',
    );
    assert.equal(read({ ...GOOD, verdict: 'FAIL' }).result, 'FAIL');
    assert.equal(read({ ...GOOD, verdict: 'BLOCK' }).result, 'BLOCK');
  });

  test('of another job, round, commit or request opens nothing', () => {
    for (const other of [{ job: 'job_2' }, { epoch: 2 }, { candidate: 'd'.repeat(40) }, { nonce: 'n0' }]) {
      const { result, verdict, why } = read({ ...GOOD, ...other });
      assert.deepEqual([result, verdict], ['BLOCK', null]);
      assert.match(why, new RegExp(`another ${Object.keys(other)[0]}`));
    }
  });

  test('that is missing, too large, no JSON, or of another form gives no result, and says why', () => {
    assert.match(readReviewVerdict(null, ASKED, { leastScore: 0 }).why, /no verdict file/);
    assert.match(read('PASS').why, /not JSON/);
    assert.match(read(' '.repeat(MAX_VERDICT_BYTES + 1)).why, /larger than/);
    assert.match(read({ ...GOOD, score: 101 }).why, /score/);
    assert.match(read({ ...GOOD, approved: true }).why, /approved/);
    assert.match(readReviewVerdict(Uint8Array.of(0xff, 0xfe), ASKED, { leastScore: 0 }).why, /not JSON/);
  });

  test('text that is no verdict never passes', () => {
    fc.assert(fc.property(fc.string(), (text) => read(text).result === 'BLOCK'));
    fc.assert(fc.property(fc.jsonValue(), (value) => read(value).result === 'BLOCK'));
  });
});
