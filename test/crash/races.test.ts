/** Two want one home: exactly one gets it, whoever dies, stops or is late, and the other one says who has it. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, readProcess } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { until, within } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World, type ServerProcess } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { isFull } from './size.ts';
import { readStoppedHome } from './stopped-home.ts';

const LOCK_ROUNDS = isFull ? 200 : 25;
const SERVER_ROUNDS = isFull ? 10 : 2;
/** Much shorter than the wait of a server, so that many rounds fit; two that collide at once retry within it. */
const LOCK_WAIT_MS = 100;

const HOME_LOCK = new URL('../../src/store/sqlite/home-lock.ts', import.meta.url).href;
const CONTENDER = `import { takeHomeLock } from ${JSON.stringify(HOME_LOCK)};
let lock = null;
for await (const word of (await import('node:readline')).createInterface({ input: process.stdin })) {
  if (word === 'take') {
    lock = takeHomeLock(process.argv[1], ${LOCK_WAIT_MS});
    console.log(lock === null ? 'refused' : 'taken');
  } else {
    lock?.release();
    console.log('released');
  }
}`;

/** A process that takes and releases the lock of a home when it is told to. */
class Contender implements AsyncDisposable {
  readonly child: ChildProcess;
  private readonly answers: AsyncIterator<string>;
  private readonly ended: Promise<unknown>;

  constructor(path: string) {
    this.child = spawn(process.execPath, ['--input-type=module', '--eval', CONTENDER, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.stdout === null) throw new Error('it has no stdout');
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async tell(word: 'take' | 'release'): Promise<string> {
    this.child.stdin?.write(`${word}\n`);
    return String((await within(`an answer to ${word}`, this.answers.next())).value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

test('two processes race for the lock of a home: always exactly one gets it', { timeout: 240_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hf-lock-'));
  const path = join(folder, 'server.lock.db');
  try {
    await using one = new Contender(path);
    await using two = new Contender(path);
    await Promise.all([one.tell('release'), two.tell('release')]);
    const wins = [0, 0];
    for (let round = 0; round < LOCK_ROUNDS; round++) {
      const answers = await Promise.all([one.tell('take'), two.tell('take')]);
      assert.deepEqual(answers.toSorted(), ['refused', 'taken'], `round ${round}`);
      const winner = answers.indexOf('taken');
      wins[winner] = (wins[winner] ?? 0) + 1;
      await (winner === 0 ? one : two).tell('release');
    }
    // A stopped holder still holds; a dead one does not.
    assert.equal(await one.tell('take'), 'taken');
    one.child.kill('SIGSTOP');
    assert.equal(await two.tell('take'), 'refused');
    one.child.kill('SIGKILL');
    await until('the lock is free', async () => (await two.tell('take')) === 'taken');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('two servers race for one home: one serves, the other one names it', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell(testifying('while [ ! -e "$WITNESS/stop" ]; do say on; sleep 0.1; done'));
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  for (let round = 0; round < SERVER_ROUNDS; round++) {
    await world.kill();
    const logged = (await world.readLog()).length;
    const rivals = [await world.start({ waitReady: false }), await world.start({ waitReady: false })];
    const { winner, loser } = await awaitWinner(world, rivals);
    assert.deepEqual(await loser.ended, { code: 5, signal: null });
    const said = (await world.readLog()).slice(logged);
    assert.match(said, new RegExp(`is held by process ${winner.identity.pid} at http`), `round ${round}: ${said}`);
    world.server = winner;
  }
  await writeFile(join(world.witness, 'stop'), '');
  await world.awaitState(job.id, 'completed');
  assert.equal((await readStarts(world)).length, 1);
  await checkInvariants(world);
});

test('a stopped server keeps its home until it is taken over', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  const stopped = await world.start();
  await world.register();
  const job = await world.submitShell(testifying('while [ ! -e "$WITNESS/stop" ]; do say on; sleep 0.1; done'));
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  signalProcess(stopped.identity, 'SIGSTOP');
  const second = await world.start({ waitReady: false });
  assert.deepEqual(await second.ended, { code: 5, signal: null });
  assert.match(await world.readLog(), new RegExp(`is held by process ${stopped.identity.pid}, which is stopped,`));
  assert.ok(isAlive(stopped.identity));
  await world.start({ args: ['--takeover'] });
  assert.ok(!isAlive(stopped.identity));
  await writeFile(join(world.witness, 'stop'), '');
  await world.awaitState(job.id, 'completed');
  assert.equal((await readStarts(world)).length, 1);
  await checkInvariants(world);
});

test(
  'a stopped server that lost its home writes nothing when it is continued, and ends',
  { timeout: 120_000 },
  async () => {
    await using world = await World.create();
    const stopped = await world.start();
    await world.register();
    const job = await world.submitShell(testifying('while [ ! -e "$WITNESS/stop" ]; do say on; sleep 0.1; done'));
    await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
    const { bootId: before } = await world.readServer();
    await stopBetweenWrites(world, stopped);
    // The kernel takes the lock from nobody who lives: it takes a person who deletes the file.
    await rm(world.home.serverLock);
    await world.start();
    const { bootId: after } = await world.readServer();
    signalProcess(stopped.identity, 'SIGCONT');
    const { code, signal } = await within('the old server to end', stopped.ended);
    assert.ok(signal === null && code !== 0, `it ended with ${code ?? signal}`);
    assert.match(await world.readLog(), new RegExp(`another server has .*boot ${after}.*fenced`));
    await writeFile(join(world.witness, 'stop'), '');
    await world.awaitState(job.id, 'completed');
    assert.equal((await readStarts(world)).length, 1);
    await checkInvariants(world);
    const { events } = await readStoppedHome(world.home);
    const begun = events.findIndex(({ kind, subject }) => kind === 'boot.start' && subject === after);
    const late = events.slice(begun).filter(({ actor }) => actor === before);
    assert.deepEqual(late, [], 'the old server wrote after the new one had begun');
  },
);

/** Takes as long as a server waits for another one to name itself. */
if (isFull)
  test('a server that is dead is not named as the one that has the home', { timeout: 120_000 }, async () => {
    await using world = await World.create();
    const dead = await world.start();
    await world.kill();
    // It has the home, and has not said yet who it is: server.json is still that of the dead one.
    const starting = await world.start({ failpoints: 'recovery.after-guard:stop', waitReady: false });
    await until('it has the home', () => readProcess(starting.identity.pid)?.state === 'T');
    const second = await world.start({ waitReady: false });
    assert.deepEqual(await second.ended, { code: 5, signal: null });
    const log = await world.readLog();
    assert.match(log, /is held by a server that is starting/);
    assert.doesNotMatch(log, new RegExp(`held by process ${dead.identity.pid}`));
    signalProcess(starting.identity, 'SIGCONT');
    await world.awaitReady(starting);
  });

/** Waits until one of two servers is ready and the other has ended. */
async function awaitWinner(
  world: World,
  rivals: readonly ServerProcess[],
): Promise<{ winner: ServerProcess; loser: ServerProcess }> {
  const loser = await until('one of them has ended', () => rivals.find((one) => one.child.exitCode !== null));
  const winner = rivals.find((one) => one !== loser);
  assert.ok(winner !== undefined);
  await world.awaitReady(winner);
  // Both end, should that ever happen, at about the same time.
  await sleep(100);
  assert.ok(isAlive(winner.identity), await world.readLog());
  return { winner, loser };
}

/**
 * Stops a server that is not in the middle of a write: one that is keeps the right to write, and no other gets in until it
 * is continued (stopped-writer.test.ts).
 */
async function stopBetweenWrites(world: World, { identity }: ServerProcess): Promise<void> {
  await until('it is stopped between two writes', () => {
    signalProcess(identity, 'SIGSTOP');
    if (readProcess(identity.pid)?.state !== 'T') return false;
    const database = new DatabaseSync(world.home.database, { timeout: 0 });
    try {
      database.exec('BEGIN IMMEDIATE; ROLLBACK');
      return true;
    } catch {
      signalProcess(identity, 'SIGCONT');
      return false;
    } finally {
      database.close();
    }
  });
}
