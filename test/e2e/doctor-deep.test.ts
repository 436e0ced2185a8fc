/** `doctor --deep` without a server: the home is looked at directly, nothing is changed, and damage is told one by one. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DoctorView } from '../../src/api/contract/server.ts';
import { RUN_FILES } from '../../src/keeper/protocol.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { tamper } from '../support/tamper.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

async function examine(world: World): Promise<{ code: number | null; view: DoctorView }> {
  const { code, stdout, stderr } = await run(world, ['doctor', '--deep', '--json']);
  assert.notEqual(stdout, '', stderr);
  return { code, view: JSON.parse(stdout) as DoctorView };
}

test('doctor --deep looks at a home no server serves, and leaves it to a server that holds it', async () => {
  await using world = await World.create();
  const none = await examine(world);
  assert.equal(none.code, 0, JSON.stringify(none.view));
  await world.start();
  await world.register();
  const done = await world.submitShell('echo one');
  await world.awaitState(done.id, 'completed');
  const working = await world.submitShell('echo two; sleep 600');
  await until('it works', async () => (await world.getJob(working.id)).outputBytes > 0);
  assert.equal((await run(world, ['doctor', '--deep'])).code, 0);

  // Stopped, it holds the home and answers nobody: the command must not look at what may change under its hands.
  const { child } = world.server ?? {};
  child?.kill('SIGSTOP');
  const held = await run(world, ['doctor', '--deep']);
  child?.kill('SIGCONT');
  assert.deepEqual([held.code, /is stopped|does this check itself/.test(held.stderr)], [5, true], held.stderr);
  await world.kill();

  const clean = await examine(world);
  assert.equal(clean.code, 0, JSON.stringify(clean.view));
  assert.deepEqual(
    clean.view.checks
      .filter((check) => ['store', 'home files', 'runs', 'git objects'].includes(check.name))
      .map(({ ok }) => ok),
    [true, true, true, true],
  );

  tamper(world, `UPDATE jobs SET exit_code = 9 WHERE id = '${done.id}'`);
  tamper(world, `UPDATE counters SET value = 7 WHERE name = 'state:completed'`);
  writeFileSync(join(world.home.runDirectory(done.id, 1), RUN_FILES.exit), 'garbage');
  damageObject(join(world.home.workspace(working.id), '.git'));
  const head = join(world.home.repos, readdirSync(world.home.repos)[0] ?? '', 'mirror.git', 'HEAD');
  const whole = readFileSync(head, 'utf8');
  // To git itself this is a branch that was not born yet.
  writeFileSync(head, whole.replace('main', 'lain'));
  for (const path of [world.home.callbackSecretFile, world.home.retentionFile, world.home.statisticsFile])
    writeFileSync(path, `${existsSync(path) ? readFileSync(path, 'utf8').slice(0, -4) : '{'}!`);
  const database = readFileSync(world.home.database);
  const { code, view } = await examine(world);
  assert.equal(code, 8);
  assert.equal(view.ok, false);
  const findings = new Map(
    view.checks.flatMap(({ finding }) => (finding === undefined ? [] : [[finding.kind, finding]])),
  );
  assert.deepEqual([...findings.keys()].toSorted(), [
    'callback-secret',
    'counter',
    'exit',
    'job',
    'mirror-head',
    'retention-file',
    'statistics-file',
    'workspace',
  ]);
  assert.equal(findings.get('callback-secret')?.evidence, world.home.callbackSecretFile);
  assert.equal(findings.get('retention-file')?.command, 'holdfast server start');
  assert.equal(findings.get('job')?.name, done.id);
  assert.match(findings.get('job')?.why ?? '', /exitCode differ/);
  assert.equal(findings.get('job')?.evidence, world.home.database);
  assert.deepEqual(
    [findings.get('job')?.nextSafeAction, findings.get('job')?.command],
    ['inspect_quarantine', 'holdfast server start'],
  );
  assert.equal(findings.get('exit')?.evidence, join(world.home.runDirectory(done.id, 1), RUN_FILES.exit));
  const damagedHead = findings.get('mirror-head');
  assert.deepEqual([damagedHead?.name, damagedHead?.evidence, damagedHead?.nextSafeAction], ['demo', head, 'review']);
  assert.match(damagedHead?.why ?? '', /^HEAD says .*lain.* instead of .*main/);
  assert.equal(findings.get('workspace')?.name, working.id);
  assert.match(findings.get('workspace')?.why ?? '', /[0-9a-f]{40}/);
  const told = (await run(world, ['doctor', '--deep'])).stdout;
  assert.match(
    told,
    /✗ job +job_\w+: .*exitCode differ[^\n]*\n +\S*holdfast\.db\n +→ inspect_quarantine: holdfast server start\n/,
  );
  assert.deepEqual(readFileSync(world.home.database), database, 'a look changes nothing');

  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  assert.equal((await store.listQuarantine({})).items.length, 0);
  await store.stop();
  await world.start();
  const served = await examine(world);
  assert.equal(served.code, 8);
  const job = served.view.checks.find(({ finding }) => finding?.kind === 'job')?.finding;
  assert.deepEqual([job?.name, job?.command], [done.id, 'holdfast recovery quarantine']);
  // What follows from the registration is mended by the start, and told.
  assert.equal(readFileSync(head, 'utf8'), whole);
  assert.ok(!served.view.checks.some(({ finding }) => finding?.kind === 'mirror-head'));
  const item = await until('it is told', async () => {
    const { items } = (await world.readReport()).corruption;
    return items?.find(({ kind }) => kind === 'mirror-head') ?? null;
  });
  assert.deepEqual([item.item, item.nextSafeAction], ['demo', 'inspect_quarantine']);
  assert.match(item.advice, /write it anew/);
});

function damageObject(git: string): void {
  const objects = readdirSync(join(git, 'objects'), { recursive: true, encoding: 'utf8' });
  const name = objects.find((one) => /^[0-9a-f]{2}\/[0-9a-f]{38}$/.test(one) || one.endsWith('.pack'));
  assert.ok(name !== undefined);
  const path = join(git, 'objects', name);
  chmodSync(path, 0o644);
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 0x10, bytes.length >> 1);
  writeFileSync(path, bytes);
}
