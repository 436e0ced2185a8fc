import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildAgentEnvironment, readLaunchEnvironment } from './environment.ts';

const JOB = { job: 'job_1', attempt: 'att_1', url: 'http://127.0.0.1:1', token: 't', home: '/h' };

test('an agent is given the allowlist, its job, and nothing else of the server', () => {
  const source = {
    PATH: '/bin',
    LANG: 'C.UTF-8',
    LC_ALL: 'C',
    TZ: 'UTC',
    TMPDIR: '/scratch',
    HOME: '/home/operator',
    TERM: 'xterm',
    USER: '',
    NODE_OPTIONS: '--require x',
    NODE_COMPILE_CACHE: '/c',
    LD_PRELOAD: 'x.so',
    SSH_AUTH_SOCK: '/s',
    ANTHROPIC_API_KEY: 'secret',
    ANTHROPIC_BASE_URL: 'http://evil.test',
    GIT_DIR: '/g',
    HOLDFAST_HOME: '/state',
    HOLDFAST_TOKEN: "the server's",
    HTTPS_PROXY: 'http://proxy:3128',
    HTTP_PROXY: 'http://user:pass@proxy:3128',
  };
  assert.deepEqual(buildAgentEnvironment({ ...JOB, source, extra: {} }), {
    PATH: '/bin',
    LANG: 'C.UTF-8',
    LC_ALL: 'C',
    TZ: 'UTC',
    TMPDIR: '/scratch',
    TERM: 'dumb',
    HOME: '/h',
    HTTPS_PROXY: 'http://proxy:3128',
    HOLDFAST_JOB: 'job_1',
    HOLDFAST_ATTEMPT: 'att_1',
    HOLDFAST_URL: 'http://127.0.0.1:1',
    HOLDFAST_TOKEN: 't',
  });
});

test('what the operator declares wins over the allowlist, and the job over everything', () => {
  const extra = { PATH: '/opt', ANTHROPIC_API_KEY: 'declared', HOLDFAST_ATTEMPT: 'forged', HOME: '/other' };
  const built = buildAgentEnvironment({ ...JOB, source: { PATH: '/bin' }, extra });
  assert.equal(built['PATH'], '/opt');
  assert.equal(built['HOME'], '/other');
  assert.equal(built['ANTHROPIC_API_KEY'], 'declared');
  assert.equal(built['HOLDFAST_ATTEMPT'], 'att_1');
});

test('an agent has a PATH even when the server has none', () => {
  assert.match(buildAgentEnvironment({ ...JOB, source: {}, extra: {} })['PATH'] ?? '', /\/usr\/bin/);
  assert.equal(readLaunchEnvironment({}).invocationId, null);
});
