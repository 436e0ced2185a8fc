/** Carries out the one thing a violation named: `--lab PART …` as it was printed. */
import { parseArgs } from 'node:util';
import { checkHome } from './check-home.ts';
import type { DiskModel } from './disk-model.ts';
import { runFlips } from './flips.ts';
import { tryFailure } from './io-errors.ts';
import { listPoints, type KillPoint } from './kill-points.ts';
import { layOut, makeScratch, replayCut, type Cut } from './power-cut.ts';
import { recordScenario, recordStore, recoverCut } from './power-cut-lab.ts';
import { createTemplate } from './scenario.ts';
import { findScenario } from './scenarios.ts';
import { parseFault } from './shim.ts';
import { tryStorePoint } from './store-lab.ts';
import { tryPoint } from './sweep.ts';
import { walk } from './walk.ts';

const OPTIONS = {
  lab: { type: 'string' },
  scenario: { type: 'string', default: 'run' },
  role: { type: 'string', default: 'server' },
  fault: { type: 'string', default: '' },
  again: { type: 'string' },
  cut: { type: 'string', default: '' },
  seed: { type: 'string', default: '1' },
  flips: { type: 'string', default: '600' },
} as const;

/** Replays what the words name; returns what came of it. Throws what is wrong. */
export async function replay(words: readonly string[]): Promise<string> {
  const { values } = parseArgs({ args: [...words], options: OPTIONS });
  const { lab, scenario: name, role, fault, again, cut, seed, flips } = values;
  await using template = await createTemplate();
  if (lab === 'walk') return `${await walk(template, Number(seed))} crashes, nothing wrong`;
  if (lab === 'flips') {
    const { violations } = await runFlips({ template, seed: Number(seed), flips: Number(flips) });
    if (violations.length > 0) throw new Error(violations.map(({ what, why }) => `${what}: ${why}`).join('\n'));
    return 'nothing silent';
  }
  if (lab === 'cut') return await lookAtCut(template, name, parseCut(cut));
  const point: KillPoint = {
    scenario: name,
    role: role as KillPoint['role'],
    fault: parseFault(fault),
    ...(again === undefined ? {} : { again: parseFault(again) }),
  };
  const said = (reached: boolean): string => (reached ? 'nothing wrong' : 'the point was not reached');
  if (lab === 'io') return said(await tryFailure(template, findScenario(name), point));
  if (lab !== 'sweep') throw new Error('--lab is one of sweep, io, cut, walk, flips');
  if (role !== 'store') return said(await tryPoint(template, findScenario(name), point));
  const why = await tryStorePoint(point);
  if (why !== null && why.length > 0) throw new Error(why.join('\n'));
  return said(why !== null);
}

function parseCut(text: string): Cut {
  const match = /^(\d+) (strict|ordered|eager|torn) (\d+)$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no cut: OPERATIONS MODEL SEED`);
  return { after: Number(match[1]), model: match[2] as DiskModel, seed: Number(match[3]) };
}

async function lookAtCut(template: Parameters<typeof recoverCut>[0], name: string, cut: Cut): Promise<string> {
  await using run = name === 'store' ? await recordStore() : await recordScenario(template, findScenario(name));
  const { files, promises } = replayCut(run, cut);
  const scratch = makeScratch();
  layOut(scratch, files);
  const why = checkHome(scratch, promises);
  if (why.length > 0) throw new Error(`${why.join('\n')}\nthe state is kept in ${scratch}`);
  if (name !== 'store') await recoverCut(template, run, cut);
  const last = run.operations[cut.after - 1];
  return `nothing wrong after ${last?.op} ${last?.class} (${listPoints(name, 'server', run.operations).length} points); state in ${scratch}`;
}
