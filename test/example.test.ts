/** The example of the README, run as it stands: real server, real SIGKILL, real recovery. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { errnoOf } from '../src/kernel/result.ts';

const root = resolve(import.meta.dirname, '..');

/** Ends the script and whatever it waits for: they share a process group of their own. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

it('examples/survive-a-crash.sh does what its comments say', async () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'example-')));
  const project = join(dir, 'project');
  const env = {
    PATH: [join(root, 'bin'), process.env['PATH'] ?? ''].join(delimiter),
    HOME: dir,
    HOLDFAST_HOME: join(dir, 'state'),
  };
  const options = { cwd: project, env };
  mkdirSync(project);
  const author = ['-c', 'user.name=Example', '-c', 'user.email=example@localhost'];
  execFileSync('git', ['init', '-q', '-b', 'main'], options);
  execFileSync('git', [...author, 'commit', '-q', '--allow-empty', '-m', 'Start'], options);
  const script = spawn('sh', [join(root, 'examples/survive-a-crash.sh')], {
    ...options,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const group = script.pid ?? assert.fail('sh was not started');
  const deadline = setTimeout(() => endGroup(group), 100_000);
  try {
    const ended = once(script, 'exit');
    const [said, messages, [code]] = await Promise.all([text(script.stdout), text(script.stderr), ended]);
    assert.equal(code, 0, `${messages}\n${said}`);
    const steps = said.split('\n').filter((line) => line.startsWith('step '));
    const every = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `step ${n}`);
    assert.deepEqual(steps, ['step 1', 'step 2', ...every]);
    // On a busy machine the job may end before the second server is up: then it is recorded with its exit code.
    assert.match(said, /job 1 (?:reattached|completed_while_down) · was running/);
    assert.match(said, /^\+\+\+ b\/result\.txt$/m);
  } finally {
    clearTimeout(deadline);
    endGroup(group);
    execFileSync(join(root, 'bin/holdfast'), ['server', 'stop'], { env, stdio: 'ignore' });
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});
