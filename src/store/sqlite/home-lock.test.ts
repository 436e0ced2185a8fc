import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isError } from '../../kernel/errors.ts';
import { makeScratch } from './harness.fixture.ts';
import { takeHomeLock } from './home-lock.ts';

test('a damaged lock is refused and left as it is, and the refusal says what to do', () => {
  using scratch = makeScratch();
  const path = join(scratch.path, '..', 'server.lock.db');
  writeFileSync(path, 'no database'.repeat(100));
  assert.throws(
    () => takeHomeLock(path, 0),
    (error: unknown) =>
      isError(error, 'home-unusable') && /no server of this home runs, remove this file/.test(error.hint ?? ''),
  );
  assert.match(readFileSync(path, 'utf8'), /^no database/);
});
