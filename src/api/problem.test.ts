import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS, fail, type ErrorCode } from '../kernel/errors.ts';
import { problemSchema } from './contract/common.ts';
import { classify, toProblem } from './problem.ts';

test('every row of the error table is a problem of the contract', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const problem = toProblem(fail(code, 'what is wrong'), '/v1/jobs');
    assert.deepEqual(problemSchema.parse(problem), problem);
    assert.equal(problem.status, ERRORS[code].status);
    assert.equal(problem.hint, ERRORS[code].hint);
  }
});

test('a full disk and a failed one are told apart, with the real error of the system', () => {
  try {
    writeFileSync('/dev/full', 'x');
    assert.fail('/dev/full took a byte');
  } catch (error) {
    assert.equal(classify(error).code, 'storage-full');
    assert.equal(classify(error).status, 507);
  }
  assert.equal(classify(Object.assign(new Error('disk'), { code: 'EIO' })).code, 'storage-failed');
});

test('what nobody foresaw says nothing of itself', () => {
  const error = classify(new Error('secret path /home/somebody'));
  assert.equal(error.code, 'internal');
  assert.doesNotMatch(JSON.stringify(toProblem(error, '/')), /somebody/);
  assert.equal(classify('a string').code, 'internal');
  assert.equal(classify(Object.assign(new Error('late'), { statusCode: 500 })).code, 'internal');
});
