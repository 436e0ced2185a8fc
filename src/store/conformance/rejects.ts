import assert from 'node:assert/strict';
import { isError, type ErrorCode } from '../../kernel/errors.ts';

/** Asserts that a call is refused with this code. */
export async function rejectsWith(code: ErrorCode, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isError(error), `expected ${code}, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}
