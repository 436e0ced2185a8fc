import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePlace } from './repository.fixture.ts';
import { runChild, type ChildRequest } from './run-child.ts';

const PATH = process.env['PATH'] ?? '';

function sh(script: string, more: Partial<ChildRequest> = {}): Promise<Awaited<ReturnType<typeof runChild>>> {
  const argv = ['sh', '-c', script];
  return runChild({ argv, cwd: '/', env: { PATH }, timeoutMs: 60_000, maxBytes: 2 ** 20, ...more });
}

/** Resolves when no process with this id is left that could still do something. */
async function untilDead(pid: number): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    } catch {
      return;
    }
    if (/\) [ZX] /.test(stat)) return;
    await sleep(20);
  }
  throw new Error(`process ${pid} is still there`);
}

describe('runChild', () => {
  it('returns what the child printed and how it ended', async () => {
    const result = await sh('cat; echo out; echo err >&2; exit 3', { input: 'in ' });
    const { code, signal, stdout, stderr, timedOut, truncated } = result;
    const shown = { code, signal, stdout: stdout.toString(), stderr, timedOut, truncated };
    const expected = { code: 3, signal: null, stdout: 'in out\n', stderr: 'err\n', timedOut: false, truncated: false };
    assert.deepEqual(shown, expected);
    const killed = await sh('kill -9 $$');
    assert.deepEqual([killed.code, killed.signal], [null, 'SIGKILL']);
  });

  it('gives the child exactly the environment it was told, and the operation', async () => {
    const { stdout } = await sh('env', { env: { PATH, ONLY: 'this' }, op: 'op_1' });
    const names = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    // PWD, SHLVL and _ are made by the shell itself.
    const own = names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name ?? ''));
    assert.deepEqual(new Set(own), new Set(['HOLDFAST_OP', 'ONLY', 'PATH']));
    assert.match(stdout.toString(), /^HOLDFAST_OP=op_1$/m);
    assert.doesNotMatch((await sh('env')).stdout.toString(), /HOLDFAST_OP/);
  });

  it('passes arguments as they are, through no shell', async () => {
    const argv = ['printf', '%s\n', '$(echo x)', 'a b', '*'];
    const { stdout } = await runChild({ argv, cwd: '/', env: { PATH }, timeoutMs: 60_000, maxBytes: 1000 });
    assert.equal(stdout.toString(), '$(echo x)\na b\n*\n');
  });

  it('runs the child in a session of its own', async () => {
    const { stdout } = await sh('read -r line < /proc/self/stat; echo "$line"; exit 0');
    const [, , , , group, session] = stdout.toString().split(' ');
    const ours = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ');
    assert.equal(group, session);
    assert.notEqual(session, ours?.[3]);
  });

  it('ends a child that takes too long, also one that ignores being asked', async () => {
    await using place = makePlace();
    const script = `trap '' TERM; sleep 600 & echo $! $$ > ${place.path('pid')}; while :; do sleep 0.05; done`;
    const result = await sh(script, { timeoutMs: 1500 });
    assert.equal(result.timedOut, true);
    assert.equal(result.signal, 'SIGKILL');
    // Its whole group goes, not only the one that was started.
    for (const pid of readFileSync(place.path('pid'), 'utf8').split(' ')) await untilDead(Number(pid));
  });

  it('does not wait for strangers that inherited its pipes', async () => {
    await using place = makePlace();
    const result = await sh(`sleep 600 & echo $! > ${place.path('pid')}; exit 0`);
    assert.equal(result.code, 0);
    process.kill(Number(readFileSync(place.path('pid'), 'utf8')), 'SIGKILL');
  });

  it('ends a child that prints too much, and keeps the beginning', async () => {
    const result = await sh('yes', { maxBytes: 1001 });
    assert.equal(result.truncated, true);
    assert.equal(result.stdout.toString(), 'y\n'.repeat(500) + 'y');
    const errors = await sh('head -c 300000 /dev/zero | tr "\\0" x >&2; echo end >&2');
    assert.equal(errors.stderr.length, 65_536);
    assert.match(errors.stderr, /x\nend\n$|xend\n$/);
  });

  it('is stopped by a signal, and does not start after one', async () => {
    await using place = makePlace();
    const controller = new AbortController();
    const script = `echo $$ > ${place.path('pid.tmp')}; mv ${place.path('pid.tmp')} ${place.path('pid')}; exec sleep 600`;
    const running = sh(script, { signal: controller.signal });
    for (let tries = 0; tries < 1000 && !existsSync(place.path('pid')); tries++) await sleep(10);
    controller.abort(new Error('told to stop'));
    await assert.rejects(running, /told to stop/);
    await untilDead(Number(readFileSync(place.path('pid'), 'utf8')));
    const late = sh(`touch ${place.path('late')}`, { signal: controller.signal });
    await assert.rejects(late, /told to stop/);
    assert.ok(!existsSync(place.path('late')));
  });

  it('feeds a file without holding it in memory, and survives a child that does not read', async () => {
    await using place = makePlace();
    writeFileSync(place.path('input'), 'x'.repeat(3_000_000));
    const counted = await sh('wc -c', { inputFile: place.path('input') });
    assert.equal(counted.stdout.toString().trim(), '3000000');
    assert.equal((await sh('exit 0', { input: 'x'.repeat(3_000_000) })).code, 0);
  });

  it('throws when there is no such program or directory', async () => {
    const env = { PATH: '/usr/bin:/bin' };
    const request = { argv: ['holdfast-no-such-program'], env, timeoutMs: 1000, maxBytes: 10 };
    await assert.rejects(runChild({ ...request, cwd: '/' }), { code: 'ENOENT' });
    await assert.rejects(runChild({ ...request, argv: ['true'], cwd: '/no/such/place' }), { code: 'ENOENT' });
    await assert.rejects(runChild({ ...request, argv: [], cwd: '/' }), /empty argv/);
  });
});
