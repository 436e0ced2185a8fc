/**
 * Flips one bit at a time in the files that hold the state of a home: either the home says so, or it reads exactly as
 * before (free space, fields nobody uses). What reads differently without a word is a violation.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../../src/kernel/result.ts';
import { checkHome } from './check-home.ts';
import { PART } from './least.ts';
import { measurePart, type PartResult } from './outcome.ts';
import { makeScratch } from './power-cut.ts';
import { createRandom, pickOne } from './random.ts';
import { createTrial, type Template } from './scenario.ts';
import { findScenario } from './scenarios.ts';

/** What is damaged: the database with its log and witness, and the records of attempts. */
const STATE_FILE =
  /^(holdfast\.(db|db-wal|witness)|jobs\/[^/]+\/attempts\/\d+\/(spec\.json|claim|agent\.json|exit\.json))$/;

/** Of all flips: most bits of a database are in nobody's row, so it needs many. */
const DATABASE_SHARE = 0.5;

/** Damages a home as often as asked for, one bit of one file each time. */
export function runFlips(what: { template: Template; flips: number; seed: number }): Promise<PartResult> {
  const { template, flips, seed } = what;
  return measurePart(PART.flips, async (result) => {
    const scenario = findScenario('run');
    await using trial = await createTrial(template, scenario);
    const { world } = trial;
    await world.start();
    await scenario.act(trial);
    // Killed: what was written last is in the log still.
    await world.kill();
    const files = readdirSync(world.home.root, { recursive: true, encoding: 'utf8' }).filter((path) =>
      STATE_FILE.test(path),
    );
    const killed = { root: world.home.root, files, before: await readAll(world.home.root, files) };
    if ((await flip(killed, null)) !== 'harmless') throw new Error('it is damaged as it is');
    // After a stop: its log is in the database, where no sum of the log covers a row any more.
    using scratch = disposableScratch();
    await copyState(killed.root, scratch.path);
    if (checkHome(scratch.path, []).length > 0) throw new Error('it is damaged as it was stopped');
    const stopped = { root: scratch.path, files, before: await readAll(scratch.path, files) };
    Object.assign(result.counts, { noticed: 0, harmless: 0, silent: 0 });
    const random = createRandom(seed);
    for (result.tried = 0; result.tried < flips; result.tried++) {
      const home = random() < DATABASE_SHARE ? stopped : killed;
      const path = home === stopped ? 'holdfast.db' : pickOne(random, files);
      const bit = Math.floor(random() * statSync(join(home.root, path)).size * 8);
      const outcome = await flip(home, { path, bit });
      result.counts[outcome] = (result.counts[outcome] ?? 0) + 1;
      if (outcome !== 'silent') continue;
      const replay = `npm run test:crash -- --lab flips --seed ${seed} --flips ${flips}`;
      result.violations.push({ what: path, why: `bit ${bit} was flipped, and nobody noticed`, replay });
    }
  });
}

function disposableScratch(): Disposable & { path: string } {
  const path = makeScratch();
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

type Outcome = 'noticed' | 'harmless' | 'silent';

async function flip(
  home: { root: string; files: readonly string[]; before: string },
  change: { path: string; bit: number } | null,
): Promise<Outcome> {
  const scratch = makeScratch();
  try {
    await copyState(home.root, scratch);
    if (change !== null) flipBit(join(scratch, change.path), change.bit);
    if (checkHome(scratch, []).length > 0) return 'noticed';
    return (await readAll(scratch, home.files)) === home.before ? 'harmless' : 'silent';
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function flipBit(path: string, bit: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  writeFileSync(path, bytes);
}

/** Copies what `checkHome` reads. */
async function copyState(from: string, to: string): Promise<void> {
  await cp(from, to, {
    recursive: true,
    filter: (path) => !/\.sock$|\/(repos|workspace|home)$/.test(path.slice(from.length)),
  });
}

/** Everything these files say, as one text. */
async function readAll(root: string, files: readonly string[]): Promise<string> {
  const scratch = makeScratch();
  try {
    await copyState(root, scratch);
    const records = files
      .filter((path) => path.startsWith('jobs/'))
      .map((path) => readFileSync(join(scratch, path), 'utf8'));
    return JSON.stringify([readTables(join(scratch, 'holdfast.db')), records.map((text): unknown => JSON.parse(text))]);
  } catch (error) {
    return messageOf(error);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function readTables(path: string): unknown {
  const database = new DatabaseSync(path);
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    return tables.map(({ name }) => [name, database.prepare(`SELECT * FROM "${String(name)}"`).all()]);
  } finally {
    database.close();
  }
}
