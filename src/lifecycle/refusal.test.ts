import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nameRefusal, nameResult, type RefusalFacts } from './refusal.ts';

const JOB = { fence: 3, epoch: 2 };
const OWN = { isOwn: true, fence: 3, epoch: 2 };

describe('a result that was refused', () => {
  const cases: [string, Partial<RefusalFacts>, string | null][] = [
    ['of an older claim', { fence: 2, attempt: { ...OWN, fence: 2 } }, 'late'],
    [
      'of an older claim, and the same as is recorded',
      { fence: 2, attempt: { ...OWN, fence: 2 }, recorded: 'same' },
      'late',
    ],
    ['of an older epoch under the newest claim', { attempt: { ...OWN, epoch: 1 } }, 'late'],
    ['of a step under an older claim', { fence: 1, attempt: null }, 'late'],
    ['said again', { recorded: 'same' }, 'duplicate'],
    ['that contradicts what is recorded', { recorded: 'other' }, 'conflict'],
    ['of a claim nobody was given', { fence: 4, attempt: { ...OWN, fence: 4 } }, 'unauthorised'],
    ['of no claim', { fence: 0, attempt: null }, 'unauthorised'],
    ['of an attempt under the claim of another', { attempt: { ...OWN, fence: 2 } }, 'unauthorised'],
    ["of another job's attempt", { attempt: { ...OWN, isOwn: false } }, 'unauthorised'],
    ['for another reason', {}, null],
  ];
  for (const [what, facts, word] of cases) {
    it(`${what}: ${word ?? 'no word'}`, () => {
      assert.equal(nameRefusal({ job: JOB, fence: 3, attempt: OWN, recorded: null, ...facts }), word);
    });
  }

  it('is never late or said twice for one that was not asked, nor said twice when it is late', () => {
    const number = fc.integer({ min: -1, max: 5 });
    const attempt = fc.option(fc.record({ isOwn: fc.boolean(), fence: number, epoch: number }));
    const facts = fc.record({
      job: fc.record({ fence: number, epoch: number }),
      fence: fc.oneof(number, fc.constantFrom(NaN, 1.5, 2 ** 60)),
      attempt,
      recorded: fc.constantFrom('same' as const, 'other' as const, null),
    });
    fc.assert(
      fc.property(facts, (one) => {
        const word = nameRefusal(one);
        const isAsked = one.fence >= 1 && one.fence <= one.job.fence && Number.isInteger(one.fence);
        if (!isAsked || one.attempt?.isOwn === false) assert.equal(word, 'unauthorised');
        if (word === 'duplicate' || word === 'conflict') assert.equal(one.fence, one.job.fence);
      }),
    );
  });

  it('is called by what would have come of it', () => {
    assert.deepEqual(
      [
        nameResult('implement', 'queued'),
        nameResult('implement', 'completed'),
        nameResult('fix', 'blocked'),
        nameResult('verify', 'queued'),
        nameResult('review', 'blocked'),
        nameResult('merge', 'completed'),
        nameResult(null, 'ready'),
        nameResult(null, 'queued'),
      ],
      ['commit', 'completion', 'completion', 'verdict', 'verdict', 'merge', 'hand-off', 'completion'],
    );
  });
});
