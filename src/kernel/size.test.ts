import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isError } from './errors.ts';
import { formatSize, parseSize } from './size.ts';

test('sizes are read in powers of 1024, and what is no size is refused by name', () => {
  assert.equal(parseSize('0 B'), 0);
  assert.equal(parseSize('512MiB'), 512 * 2 ** 20);
  assert.equal(parseSize('1.5 GiB'), 1.5 * 2 ** 30);
  for (const text of ['', '2', 'GiB', '2 GB', '-1 B', '1e3 B', '5 %']) {
    assert.throws(
      () => parseSize(text),
      (error) => isError(error, 'bad-request') && error.detail.includes(`"${text}"`),
    );
  }
});

test('sizes are shown with one digit of the largest unit', () => {
  assert.equal(formatSize(812), '812 B');
  assert.equal(formatSize(4300), '4.2 KiB');
  assert.equal(formatSize(2 ** 30), '1.0 GiB');
  assert.equal(formatSize(2 ** 30 - 1), '1.0 GiB');
});
