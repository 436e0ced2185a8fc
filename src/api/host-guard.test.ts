import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseOrigin } from './host-guard.ts';

const none = { origin: null, fetchSite: null };

test('names of this machine pass with any port, everything else does not', () => {
  for (const host of ['127.0.0.1', '127.0.0.1:7420', 'localhost', 'LOCALHOST:1', '[::1]', '[::1]:7420']) {
    assert.equal(refuseOrigin({ ...none, host }, []), null, host);
  }
  const strangers = [
    'evil.test',
    'evil.test:7420',
    '127.0.0.1.evil.test',
    'localhost.evil.test',
    'evil.test:localhost',
    'localhost@evil.test',
    '127.0.0.1:7420:1',
    '127.0.0.2',
    '0.0.0.0',
    '[::2]:7420',
    'localhost.',
    '2130706433',
    ' localhost',
    '',
  ];
  for (const host of strangers) assert.notEqual(refuseOrigin({ ...none, host }, []), null, host);
  assert.notEqual(refuseOrigin({ ...none, host: null }, []), null);
});

test('a configured name passes with any port, a configured port only with that one', () => {
  const allowed = ['Box.example', 'other.example:8443'];
  assert.equal(refuseOrigin({ ...none, host: 'box.example:7420' }, allowed), null);
  assert.equal(refuseOrigin({ ...none, host: 'other.example:8443' }, allowed), null);
  assert.notEqual(refuseOrigin({ ...none, host: 'other.example:8444' }, allowed), null);
  assert.notEqual(refuseOrigin({ ...none, host: 'other.example' }, allowed), null);
});

test('a page of another origin or site is refused, its own is not', () => {
  const host = '127.0.0.1:7420';
  const cases: [origin: string | null, fetchSite: string | null, passes: boolean][] = [
    [null, null, true],
    ['http://127.0.0.1:7420', 'same-origin', true],
    ['https://127.0.0.1:7420', null, true],
    [null, 'none', true],
    ['http://127.0.0.1:3000', null, false],
    ['http://localhost:7420', null, false],
    ['https://evil.test', null, false],
    ['null', null, false],
    ['', null, false],
    [null, 'cross-site', false],
    [null, 'same-site', false],
    ['http://127.0.0.1:7420', 'cross-site', false],
  ];
  for (const [origin, fetchSite, passes] of cases) {
    assert.equal(refuseOrigin({ host, origin, fetchSite }, []) === null, passes, `${origin} ${fetchSite}`);
  }
});
