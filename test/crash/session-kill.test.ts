/** Everything the server shares with others is killed with it: its group, its session, its terminal. Agents live. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { readServerFile } from '../../src/server/server-file.ts';
import { until } from '../support/poll.ts';
import { readCopy, readStarts, testifying, type Start } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { choose } from './size.ts';

const WORK = 'while [ ! -e "$WITNESS/stop" ]; do say working; sleep 0.05; done; exit 6';

interface Case {
  name: string;
  always: boolean;
  kill(server: ProcessIdentity): void;
}

const CASES: readonly Case[] = [
  {
    name: 'the process group of the server is killed',
    always: true,
    kill: (server) => process.kill(-server.pid, 'SIGKILL'),
  },
  {
    name: 'every process of its session is killed',
    always: false,
    kill: (server) => assert.ok(killSession(server.pid).some((one) => one.pid === server.pid)),
  },
];

for (const one of choose(CASES)) {
  test(one.name, { timeout: 120_000 }, async () => {
    await using world = await World.create();
    const server = await world.start();
    const agent = await startWork(world);
    one.kill(server.identity);
    await server.ended;
    await checkLives(world, agent);
  });
}

test('its terminal goes away, and everything of that session with it', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  const terminal = await startInTerminal(world);
  const agent = await startWork(world);
  const info = await readServerFile(world.home.serverFile);
  const server = readProcess(info?.pid ?? 0);
  assert.ok(server !== null && server.session !== terminal.pid, 'the server has no terminal of its own');
  // The terminal first: what it controls is told by SIGHUP. Then whoever did not listen.
  signalProcess(terminal, 'SIGKILL');
  killSession(server.session);
  await until('the server is dead', () => !isAlive(server));
  await checkLives(world, agent);
});

async function startWork(world: World): Promise<Start & { id: string }> {
  await world.register();
  const job: JobView = await world.submitShell(testifying(WORK));
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  const [start] = await readStarts(world);
  assert.ok(start !== undefined);
  return { ...start, id: job.id };
}

/** Kills every process of a session; returns them. */
function killSession(session: number): ProcessIdentity[] {
  const members = scanProcesses().processes.filter((one) => one.session === session);
  for (const one of members) signalProcess(one, 'SIGKILL');
  return members;
}

/** Starts the server on a terminal, as a person does; returns the process that is the terminal. */
async function startInTerminal(world: World): Promise<ProcessIdentity> {
  const argv = [...world.serveCommand(), '--port', '0'].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--command', argv, join(world.root, 'typescript')], {
    env: { PATH: process.env['PATH'] ?? '', HOME: world.root, SHELL: '/bin/sh' },
    stdio: 'ignore',
    detached: true,
  });
  const stat = readProcess(child.pid ?? 0);
  assert.ok(stat !== null, 'script (of util-linux) cannot be started');
  await until('the server is ready', async () => {
    const info = await readServerFile(world.home.serverFile);
    return info !== null && (await fetch(`${info.url}/readyz`).catch(() => null))?.ok;
  });
  return { pid: stat.pid, start: stat.start };
}

/** The agent works on without anybody, and the next server takes it up as it is. */
async function checkLives(world: World, agent: Start & { id: string }): Promise<void> {
  const before = (await readCopy(world, agent.attempt)).length;
  await until('it works on', async () => (await readCopy(world, agent.attempt)).length > before);
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.outcome, finding?.worker?.pid], ['reattached', agent.pid]);
  await writeFile(join(world.witness, 'stop'), '');
  const ended = await world.awaitState(agent.id, 'failed', 'completed');
  assert.deepEqual([ended.exitCode, ended.attempts], [6, 1]);
  assert.equal(await world.readOutput(agent.id), await readCopy(world, agent.attempt));
  await checkInvariants(world);
}
