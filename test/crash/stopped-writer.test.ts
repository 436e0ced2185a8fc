/** Servers that were stopped in the middle of a write and lost their home, because somebody deleted the file of its lock. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readProcess } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { until, within } from '../support/poll.ts';
import { World, type ServerProcess } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { readStoppedHome } from './stopped-home.ts';

const options = { timeout: 240_000 };

/** Starts a server that stops at this point of a write, after it has answered some, and deletes its lock. */
async function stopWriting(world: World, point: string): Promise<{ stopped: ServerProcess; boot: string }> {
  const stopped = await world.start({ failpoints: `${point}:stop@12` });
  await world.register();
  const { bootId: boot } = await world.readServer();
  await until('it is stopped', async () => {
    // Nobody answers the one it stops in.
    await Promise.race([world.submitShell('true', { start: false }).catch(() => null), sleep(500)]);
    return readProcess(stopped.identity.pid)?.state === 'T';
  });
  await rm(world.home.serverLock);
  return { stopped, boot };
}

async function endFenced(world: World, { stopped, boot }: { stopped: ServerProcess; boot: string }): Promise<void> {
  signalProcess(stopped.identity, 'SIGCONT');
  const { code, signal } = await within('the old server to end', stopped.ended);
  assert.ok(signal === null && code !== 0, `it ended with ${code ?? signal}`);
  if (world.server !== null) await world.awaitReady(world.server);
  const { bootId: after } = await world.readServer();
  assert.match(await world.readLog(), new RegExp(`another server has .*boot ${after}.*fenced`));
  const job = await world.submitShell('echo new');
  await world.awaitState(job.id, 'completed');
  await checkInvariants(world);
  const { events, check } = await readStoppedHome(world.home);
  assert.deepEqual([check.corrupt, check.witness], [[], null]);
  const begun = events.findIndex(({ kind, subject }) => kind === 'boot.start' && subject === after);
  const late = events.slice(begun).filter(({ actor }) => actor === boot);
  assert.deepEqual(late, [], 'the old server wrote after the new one had begun');
}

test(
  'a server stopped before its commit keeps every other one waiting, and is fenced once it has ended that',
  options,
  async () => {
    await using world = await World.create();
    const stopped = await stopWriting(world, 'store.before-commit');
    await world.start({ waitReady: false });
    await until('the new server waits, and says for what', async () =>
      /phase store failed, next try in .* is held by another process: .*locked/.test(await world.readLog()),
    );
    assert.equal(world.server?.child.exitCode, null);
    await endFenced(world, stopped);
  },
);

test(
  'a server stopped between its commit and the witness: what it says of the old end is no alarm',
  options,
  async () => {
    await using world = await World.create();
    const stopped = await stopWriting(world, 'store.after-commit');
    await world.start();
    await endFenced(world, stopped);
  },
);
