/**
 * A server in a container has left an attempt, and the next server is not in that container: pids say nothing across
 * pid namespaces. A keeper that answers lives beside us; a container that is gone has taken everything along.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { pidNamespace, whyNone } from '../support/namespace.ts';
import { until } from '../support/poll.ts';
import { readCopy, readStarts, testifying } from '../support/testimony.ts';
import { findMentioning } from '../support/world-processes.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const container = pidNamespace();
const skip = whyNone(container);

const TWICE = `if [ -e "$WITNESS/again" ]; then say again; exit 0; fi
while :; do say on; sleep 0.05; done`;

test(
  'a keeper in a container beside us is set aside, and ended through its socket',
  { timeout: 120_000, skip },
  async () => {
    await using world = await World.create();
    const { server, job } = await startContained(world);
    signalProcess(server, 'SIGKILL');
    await world.start();
    const finding = (await world.readReport()).jobs[0];
    assert.deepEqual([finding?.verdict, finding?.outcome], ['QUARANTINE', 'quarantined']);
    assert.match(finding?.blocker ?? '', /lives in another pid namespace/);
    const [start] = await readStarts(world);
    const said = (await readCopy(world, start?.attempt ?? '')).length;
    await until('it works on', async () => (await readCopy(world, start?.attempt ?? '')).length > said);
    // Its agent is out of reach by pid in general; only its keeper can be asked.
    await writeFile(join(world.witness, 'again'), '');
    assert.equal((await world.api('POST', `/v1/jobs/${job.id}/cancel`)).status, 200);
    assert.equal((await world.getJob(job.id)).state, 'cancelled');
    assert.equal((await world.api('POST', `/v1/jobs/${job.id}/retry`)).status, 200);
    await world.awaitState(job.id, 'completed');
    assert.equal((await readStarts(world)).length, 2);
    await checkInvariants(world);
  },
);

test('a container that is gone has taken its agents along', { timeout: 120_000, skip }, async () => {
  await using world = await World.create();
  const { init, job } = await startContained(world);
  signalProcess(init, 'SIGKILL');
  await until('nothing of it lives', () => findMentioning(world.root).length === 0);
  await writeFile(join(world.witness, 'again'), '');
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['INTERRUPTED', 'restarted_cold']);
  await world.awaitState(job.id, 'completed');
  assert.equal((await readStarts(world)).length, 2);
  await checkInvariants(world);
});

/** Starts a server in a container with a process 1 of its own, and a job in it. */
async function startContained(world: World): Promise<{ init: ProcessIdentity; server: ProcessIdentity; job: JobView }> {
  const [program = '', ...flags] = container ?? [];
  const script = '"$@" >>"$0" 2>&1 & while :; do sleep 0.1; done';
  const argv = [...flags, 'sh', '-c', script, world.log, ...world.serveCommand(), '--port', '0'];
  spawn(program, argv, { env: { PATH: process.env['PATH'] ?? '', HOME: world.root }, stdio: 'ignore', detached: true });
  await until('the server is ready', async () => {
    const info = await world.readServer().catch(() => null);
    return info !== null && (await fetch(`${info.url}/readyz`).catch(() => null))?.ok;
  });
  await world.register();
  const job = await world.submitShell(testifying(TWICE));
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  const inside = findMentioning(world.root).filter((one) => isInside(one));
  const server = inside.find((one) =>
    readFileSync(`/proc/${one.pid}/cmdline`, 'latin1').startsWith(process.execPath + '\0/'),
  );
  const init = inside.find((one) => /^NSpid:\s+\d+\s+1$/m.test(readFileSync(`/proc/${one.pid}/status`, 'latin1')));
  assert.ok(server !== undefined && init !== undefined && isAlive(server));
  return { init, server, job };
}

function isInside(one: ProcessIdentity): boolean {
  return readProcess(one.pid) !== null && readlinkSync(`/proc/${one.pid}/ns/pid`) !== readlinkSync('/proc/self/ns/pid');
}
