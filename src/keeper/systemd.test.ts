import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSystemdRun, detectSystemd } from './systemd.ts';

const OURS = { path: '/bin', uid: 0, invocationId: 'f00', runtimeDirectory: null, busAddress: null };

test('systemd manages us only when it started us and we are still in the unit', () => {
  const user = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/holdfast.service\n';
  for (const [cgroup, manager] of [
    ['0::/system.slice/holdfast.service\n', 'system'],
    [user, 'user'],
    ['0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-term.scope\n', 'none'],
    ['0::/user.slice/user-1000.slice/session-3.scope\n', 'none'],
    ['0::/\n', 'none'],
    ['', 'none'],
    ['4:memory:/x\n1:name=systemd:/system.slice/holdfast.service\n', 'system'],
  ] as const) {
    assert.equal(detectSystemd(OURS, cgroup), manager, cgroup);
    assert.equal(detectSystemd({ ...OURS, invocationId: null }, cgroup), 'none', 'not started by systemd');
  }
  assert.equal(detectSystemd({ ...OURS, uid: 1000 }, '0::/system.slice/holdfast.service\n'), 'none');
  assert.equal(detectSystemd({ ...OURS, uid: 1000 }, user), 'user');
});

test('a keeper gets a unit of its own, named after the attempt', () => {
  const argv = buildSystemdRun({
    manager: 'user',
    attemptId: 'att_1',
    runDir: '/h/$run',
    log: '/h/$run/keeper.log',
    environment: { PATH: '/bin' },
    command: ['/usr/bin/node', 'keeper.js', '/h/$run'],
  });
  assert.deepEqual(argv, [
    'systemd-run',
    '--user',
    '--quiet',
    '--collect',
    '--slice=holdfast-agents.slice',
    '-p',
    'OOMPolicy=continue',
    '--unit=holdfast-att_1',
    '--working-directory=/h/$run',
    '-p',
    'StandardOutput=append:/h/$run/keeper.log',
    '-p',
    'StandardError=append:/h/$run/keeper.log',
    '--setenv=PATH=/bin',
    '--',
    '/usr/bin/node',
    'keeper.js',
    '/h/$$run',
  ]);
  const other = { manager: 'system', attemptId: 'a', runDir: '/', log: '/l', environment: {}, command: ['x'] } as const;
  assert.ok(!buildSystemdRun(other).includes('--user'));
});
