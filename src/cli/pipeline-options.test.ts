import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { InvalidArgumentError } from 'commander';
import { isError } from '../kernel/errors.ts';
import { addBudget, addReviewer, changePipeline, describePipeline } from './pipeline-options.ts';

const STRICT = { name: 'strict', agent: 'claude-code', instructions: null, leastScore: 80 };
const KIND = { name: 'kind', agent: 'exec', instructions: 'be kind', leastScore: 70 };
const CWD = { before: null, cwd: '/' };

describe('the options of a pipeline', () => {
  it('name reviewers with their agent and the least score of a PASS', () => {
    assert.deepEqual(addReviewer('strict=claude-code:80'), [STRICT]);
    assert.deepEqual(addReviewer('kind=exec', [STRICT]), [STRICT, { ...KIND, instructions: null }]);
    for (const wrong of ['strict', 'strict=', '=exec', 'a=b:101', 'a=b:x', 'a=b:', 'a=b=c']) {
      assert.throws(() => addReviewer(wrong), InvalidArgumentError, wrong);
    }
    assert.throws(() => addReviewer('strict=exec', [STRICT]), /given twice/);
  });

  it('name budgets there are', () => {
    assert.deepEqual(addBudget('fixRounds=3', { merges: 1 }), { merges: 1, fixRounds: 3 });
    for (const wrong of ['fixrounds=3', 'fixRounds', 'fixRounds=-1', 'fixRounds=x', 'toString=1']) {
      assert.throws(() => addBudget(wrong), InvalidArgumentError, wrong);
    }
  });

  it('say nothing of settings that are not named', async () => {
    assert.equal(await changePipeline({}, { before: { reviewers: [KIND] }, cwd: '/' }), undefined);
    const kept = { reviewers: [KIND], reports: ['out/*.xml'] };
    assert.deepEqual((await changePipeline({ clearReviewers: true }, { before: kept, cwd: '/' }))?.reports, [
      'out/*.xml',
    ]);
    assert.deepEqual(await changePipeline({ report: ['a.xml'] }, { before: kept, cwd: '/' }), {
      reviewers: [KIND],
      reports: ['a.xml'],
    });
    const before = { reviewers: [KIND], budgets: { merges: 2 }, gateLimits: { idleMs: 5 } };
    const after = await changePipeline({ budget: { fixRounds: 1 }, gateTimeout: 600_000 }, { before, cwd: '/' });
    const gateLimits = { idleMs: 5, wallMs: 600_000 };
    assert.deepEqual(after, { reviewers: [KIND], budgets: { merges: 2, fixRounds: 1 }, gateLimits });
  });

  it('change one reviewer in its place, add others, and clear them all', async () => {
    const before = { reviewers: [KIND] };
    const reviewer = [STRICT, { ...KIND, instructions: null, leastScore: 90 }];
    const changed = await changePipeline({ reviewer }, { before, cwd: '/' });
    assert.deepEqual(changed?.reviewers, [{ ...KIND, leastScore: 90 }, STRICT]);
    assert.deepEqual(await changePipeline({ clearReviewers: true }, { before, cwd: '/' }), { reviewers: [] });
    const replaced = await changePipeline({ clearReviewers: true, reviewer: [STRICT] }, { before, cwd: '/' });
    assert.deepEqual(replaced?.reviewers, [STRICT]);
  });

  it('take instructions out of a file, for a reviewer there is', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'holdfast-options-'));
    try {
      await writeFile(join(cwd, 'review.md'), 'look twice');
      const told = await changePipeline(
        { reviewInstructions: ['kind=review.md'] },
        { before: { reviewers: [KIND] }, cwd },
      );
      assert.equal(told?.reviewers?.[0]?.instructions, 'look twice');
      for (const wrong of ['strict=review.md', 'kind=none.md', 'kind=', 'kind']) {
        const options = { reviewInstructions: [wrong] };
        await assert.rejects(
          changePipeline(options, { before: { reviewers: [KIND] }, cwd }),
          (error) => isError(error, 'bad-usage'),
          wrong,
        );
      }
    } finally {
      await rm(cwd, { recursive: true });
    }
    await assert.rejects(changePipeline({ reviewInstructions: ['a=b'] }, CWD), /there is no reviewer "a"/);
  });

  it('are shown as they count', () => {
    const span = (ms: number): string => `${ms} ms`;
    assert.deepEqual(describePipeline(null, span), [
      ['budgets', 'fixRounds 2 · merges 3 · commits 8 · sameDiffs 3'],
      ['gate limits', null],
    ]);
    const shown = describePipeline({ reviewers: [KIND], budgets: { merges: 1 }, gateLimits: { wallMs: 5 } }, span);
    assert.deepEqual(shown, [
      ['reviewer', 'kind: agent exec, at least 70, 7 B of instructions'],
      ['budgets', 'fixRounds 2 · merges 1 · commits 8 · sameDiffs 3'],
      ['gate limits', '5 ms in all'],
    ]);
  });
});
