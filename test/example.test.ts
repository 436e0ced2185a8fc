/** The example of the README, run as it stands: real server, real SIGKILL, real recovery. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';

const root = resolve(import.meta.dirname, '..');
const run = promisify(execFile);

it('examples/survive-a-crash.sh does what its comments say', { timeout: 110_000 }, async () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'example-')));
  const project = join(dir, 'project');
  const env = {
    PATH: [join(root, 'bin'), process.env['PATH'] ?? ''].join(delimiter),
    HOME: dir,
    HOLDFAST_HOME: join(dir, 'state'),
    TMPDIR: dir,
  };
  const options = { cwd: project, env };
  try {
    mkdirSync(project);
    const author = ['-c', 'user.name=Example', '-c', 'user.email=example@localhost'];
    await run('git', ['init', '-q', '-b', 'main'], options);
    await run('git', [...author, 'commit', '-q', '--allow-empty', '-m', 'Start'], options);
    const { stdout } = await run('sh', [join(root, 'examples/survive-a-crash.sh')], options);
    const steps = stdout.split('\n').filter((line) => line.startsWith('step '));
    const every = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `step ${n}`);
    assert.deepEqual(steps, ['step 1', 'step 2', ...every]);
    // On a busy machine the job may end before the second server is up: then it is recorded with its exit code.
    assert.match(stdout, /job 1 (?:reattached|completed_while_down) · was running/);
    assert.match(stdout, /^\+\+\+ b\/result\.txt$/m);
  } finally {
    await run('holdfast', ['server', 'stop'], { env }).catch(() => null);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});
