import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fail, type HoldfastError } from '../kernel/errors.ts';
import { sourceFailure } from './source-failure.ts';

const SAID: [string, 'source-silent' | 'source-unreachable' | null][] = [
  ["fatal: unable to access 'https://x/': Could not resolve host: x", 'source-silent'],
  ["fatal: unable to access 'https://x/': Failed to connect to x port 443: Connection refused", 'source-silent'],
  ['ssh: connect to host x port 22: No route to host\nfatal: Could not read from remote repository.', 'source-silent'],
  ['error: RPC failed; curl 56 GnuTLS recv error\nfatal: early EOF', 'source-silent'],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 503", 'source-silent'],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 403", 'source-unreachable'],
  ["remote: Repository not found.\nfatal: repository 'https://x/' not found", 'source-unreachable'],
  ['git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.', 'source-unreachable'],
  ["fatal: '/srv/x' does not appear to be a git repository", 'source-unreachable'],
  ['Host key verification failed.', 'source-unreachable'],
  ['fatal: bad object 4031401404', null],
];

test('what git says of a source tells whether trying again helps', () => {
  for (const [said, code] of SAID) {
    assert.equal(sourceFailure(fail('git-failed', said), '/srv/x')?.code ?? null, code, said);
  }
});

test('time that ran out may be better next time, a source that is none will not', () => {
  const codeOf = (error: unknown): HoldfastError['code'] | null => sourceFailure(error, '/srv/x')?.code ?? null;
  assert.equal(codeOf(fail('git-timeout', 'git fetch made no progress for 1000 ms')), 'source-silent');
  assert.equal(codeOf(fail('not-a-repository', '/srv/x (ENOENT)')), 'source-unreachable');
  assert.equal(codeOf(fail('storage-full', 'no space')), null);
  assert.equal(codeOf(new Error('something else')), null);
});
