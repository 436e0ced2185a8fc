import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERRORS, fail, HoldfastError, isError } from './errors.ts';

/** Exit codes of the command line that mean something; 0 is success and no error has it. */
const EXIT_CODES = new Set([1, 2, 3, 4, 5, 6, 7, 8, 124, 130]);

describe('the table of errors', () => {
  for (const [code, row] of Object.entries(ERRORS)) {
    it(`${code} has a title, a status, an exit code and something to do`, () => {
      assert.match(code, /^[a-z]+(-[a-z]+)*$/);
      assert.match(row.title, /^[A-Z].*[^.]$/);
      assert.match(row.hint, /^[A-Z].*\.$/);
      assert.ok(row.status >= 400 && row.status <= 599);
      assert.ok(EXIT_CODES.has(row.exit), `exit ${row.exit}`);
    });
  }

  it('uses every exit code', () => {
    assert.deepEqual(new Set(Object.values(ERRORS).map(({ exit }): number => exit)), EXIT_CODES);
  });
});

describe('fail', () => {
  it('makes an error that carries its row', () => {
    const error = fail('job-not-found', 'no job 12');
    assert.ok(error instanceof HoldfastError && error instanceof Error);
    assert.equal(error.message, 'No such job: no job 12');
    const { code, detail, status, exit, hint, cause } = error;
    const { status: rowStatus, exit: rowExit, hint: rowHint } = ERRORS['job-not-found'];
    assert.deepEqual(
      [code, detail, status, exit, hint, cause],
      ['job-not-found', 'no job 12', rowStatus, rowExit, rowHint, undefined],
    );
  });

  it('takes a better hint and a cause', () => {
    const cause = new Error('why');
    const error = fail('internal', 'x', { hint: 'Do this.', cause });
    assert.deepEqual([error.hint, error.cause], ['Do this.', cause]);
  });
});

describe('isError', () => {
  it('tells our errors and their codes from all others', () => {
    const error = fail('fenced', 'x');
    assert.deepEqual(
      [
        isError(error),
        isError(error, 'fenced'),
        isError(error, 'internal'),
        isError(new Error('fenced')),
        isError({ code: 'fenced' }),
        isError(null),
      ],
      [true, true, false, false, false, false],
    );
  });
});
