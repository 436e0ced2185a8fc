import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureKeeper } from '../../scripts/build-keeper.ts';
import { isError } from '../kernel/errors.ts';
import { connectKeeper } from './connect.ts';
import { Trial, until } from './conformance/trial.ts';
import { defaultKeeperCommand, keeperPath, launchKeeper } from './launch.ts';

test('the keeper is found from the sources and from the build', async () => {
  assert.equal(keeperPath('/a/src/keeper/launch.ts'), '/a/dist/keeper.js');
  assert.equal(keeperPath('/a/dist/keeper/launch.js'), '/a/dist/keeper.js');
  assert.equal(keeperPath('/a/dist/holdfast.js'), '/a/dist/keeper.js');
  assert.equal(keeperPath('/src/a/dist/keeper/launch.js'), '/src/a/dist/keeper.js');
  assert.throws(
    () => keeperPath('/a/lib/launch.js'),
    (error) => isError(error, 'keeper-failed'),
  );
  assert.equal(defaultKeeperCommand().at(-1), await ensureKeeper());
});

test('a keeper that cannot be started is an error that names the attempt', async () => {
  await using trial = new Trial(['/no/such/keeper']);
  await trial.prepare('exit 0');
  await assert.rejects(
    trial.launch(),
    (error) => isError(error, 'keeper-failed') && error.detail.includes(trial.attempt),
  );
});

test('a keeper has an own session and nothing of our environment', async () => {
  // Not ours: a stand-in that prints what it was given into the log.
  await using trial = new Trial(['sh', '-c', 'cat /proc/$$/environ; cut -d" " -f1,6 /proc/$$/stat', 'keeper']);
  await trial.prepare('exit 0');
  await trial.launch('keeper.after-go:crash');
  const log = await until('it has said both', () =>
    /\d+ \d+\n/.test(trial.text('keeper.log')) ? trial.text('keeper.log') : null,
  );
  const [ids = '', ...variables] = log.split('\0').toReversed();
  assert.deepEqual(variables.toReversed(), [
    `PATH=${process.env['PATH'] ?? ''}`,
    'HOLDFAST_FAILPOINTS=keeper.after-go:crash',
  ]);
  const [pid, session] = ids.trim().split(' ');
  assert.equal(session, pid);
});

test('under systemd the keeper is started by systemd-run, and its refusal is told', async () => {
  await using trial = new Trial([]);
  await trial.prepare('exit 0');
  const tool = join(trial.folder, 'systemd-run');
  writeFileSync(tool, `#!/bin/sh\nprintf '%s\\n' "$@" >'${trial.folder}/args'\necho 'no such slice' >&2\nexit 4\n`);
  chmodSync(tool, 0o755);
  const environment = { path: trial.folder, uid: 0, invocationId: 'x', runtimeDirectory: null, busAddress: null };
  const request = { runDir: trial.runDir, attemptId: trial.attempt, keeperCommand: ['keeper'], environment };
  const cgroup = '0::/system.slice/holdfast.service\n';
  await assert.rejects(
    launchKeeper({ ...request, cgroup }),
    (error) => isError(error, 'keeper-failed') && /no such slice/.test(error.detail),
  );
  const args = readFileSync(join(trial.folder, 'args'), 'utf8').split('\n');
  assert.ok(args.includes(`--unit=holdfast-${trial.attempt}`));
  assert.deepEqual(args.slice(-3, -1), ['keeper', trial.runDir]);
});

test('where no keeper listens there is no connection', async () => {
  await using trial = new Trial([]);
  assert.equal(await connectKeeper(trial.runDir), null);
  await trial.prepare('exit 0');
  assert.equal(await connectKeeper(trial.runDir), null);
});
