/** Plays every case, kills servers on the way, and holds what came of it against what must come of it. */
import { isDeepStrictEqual } from 'node:util';
import type { Shell } from '../shell.ts';
import { SCENARIOS, SMOKE, TO_HAND_OFF, TO_MERGE, type Case } from './cases.ts';
import { listCells, type Cell } from './matrix.ts';
import { Stage, type Result, type Seen } from './stage.ts';

/** One line of the checklist: a claim, and what it rests on. */
export interface Line {
  group: 'smoke' | 'scenario' | 'kill' | 'whole';
  name: string;
  /** What is claimed, as a sentence. */
  claim: string;
  held: boolean;
  /** What was seen, in words; where it is not held, what differs. */
  evidence: string;
  ms: number;
}

export interface Proof {
  seed: number;
  held: boolean;
  lines: Line[];
}

/** Told each line as it is known. */
export type Audience = (line: Line) => void;

export interface Proving {
  shell: Shell;
  /** Order of the kills. */
  seed: number;
  /** Plays at once. */
  lanes: number;
  audience: Audience;
  now: () => number;
}

/** Plays the whole proof. Throws only where nothing can be played at all (no temporary directory, interrupted). */
export async function prove(proving: Proving): Promise<Proof> {
  const lines: Line[] = [];
  const tell = (line: Line): void => {
    lines.push(line);
    proving.audience(line);
  };
  for (const played of [SMOKE, ...SCENARIOS]) {
    tell(await proveCase(proving, played, played === SMOKE ? 'smoke' : 'scenario'));
  }
  const unbroken = new Map<Case, Result>();
  for (const played of [TO_HAND_OFF, TO_MERGE]) {
    const { line, result } = await proveUnbroken(proving, played);
    tell(line);
    if (result !== null) unbroken.set(played, result);
  }
  const cells = shuffle(listCells(), proving.seed);
  const next = cells[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (const cell of next) tell(await proveCell(proving, cell, unbroken.get(cell.played) ?? null));
  };
  await Promise.all(Array.from({ length: proving.lanes }, lane));
  return { seed: proving.seed, held: lines.every(({ held }) => held), lines };
}

async function proveCase(proving: Proving, played: Case, group: Line['group']): Promise<Line> {
  const heading = { group, name: played.name, claim: played.says };
  return (await playAndJudge(proving, heading, { played, failpoints: null, must: played.expected })).line;
}

function proveUnbroken(proving: Proving, played: Case): Promise<{ line: Line; result: Result | null }> {
  const heading = { group: 'scenario', name: `unbroken ${played.name}`, claim: played.says } as const;
  return playAndJudge(proving, heading, { played, failpoints: null, must: played.expected });
}

async function proveCell(proving: Proving, cell: Cell, unbroken: Result | null): Promise<Line> {
  const { stage, moment, played, failpoints } = cell;
  const name = `${stage} × ${moment}`;
  const claim = 'killed there and started again: the same end, the same ledger, one start of each attempt';
  if (unbroken === null) {
    return { group: 'kill', name, claim, held: false, evidence: 'the unbroken play did not come to its end', ms: 0 };
  }
  return (await playAndJudge(proving, { group: 'kill', name, claim }, { played, failpoints, must: unbroken })).line;
}

interface Play {
  played: Case;
  failpoints: string | null;
  must: Partial<Result>;
}

async function playAndJudge(
  { shell, now }: Proving,
  heading: Pick<Line, 'group' | 'name' | 'claim'>,
  { played, failpoints, must }: Play,
): Promise<{ line: Line; result: Result | null }> {
  const began = now();
  const finish = (held: boolean, evidence: string): Line => ({
    ...heading,
    held,
    evidence,
    ms: Math.round(now() - began),
  });
  try {
    await using stage = await Stage.create(shell);
    const seen = await stage.play(played, failpoints);
    const faults = judge(seen, { must, dies: failpoints !== null });
    return {
      line: finish(faults.length === 0, faults.length === 0 ? describe(seen) : faults.join('; ')),
      result: seen.result,
    };
  } catch (error) {
    if (shell.interrupted.aborted) throw error;
    return { line: finish(false, error instanceof Error ? error.message : String(error)), result: null };
  }
}

/** Returns what is not as it must be, in words. */
export function judge(seen: Seen, { must, dies }: { must: Partial<Result>; dies: boolean }): string[] {
  const faults: string[] = [];
  for (const [field, value] of Object.entries(must)) {
    const found = seen.result[field as keyof Result];
    if (!isDeepStrictEqual(found, value))
      faults.push(`${field} is ${JSON.stringify(found)}, not ${JSON.stringify(value)}`);
  }
  for (const [attempt, times] of seen.starts) if (times !== 1) faults.push(`${attempt} started ${times} times`);
  const known = new Set(seen.attempts.map(({ id }) => id));
  for (const attempt of seen.starts.keys())
    if (!known.has(attempt)) faults.push(`${attempt} started and nobody knows it`);
  const silent = seen.attempts.filter(({ id, state }) => state === 'finished' && !seen.starts.has(id));
  for (const { number } of silent) faults.push(`attempt ${number} has a result and never started`);
  for (const hash of seen.wrongEvidence) faults.push(`evidence ${hash} is not what was recorded`);
  if (dies && seen.kills !== 1) faults.push(`the server died ${seen.kills} times, and was to die once`);
  return faults;
}

function describe({ result, starts, kills }: Seen): string {
  const moved = result.moves === 0 ? '' : `, base moved ${result.moves}×`;
  const killed = kills === 0 ? '' : `, ${kills} kill`;
  return `${result.state}, ${result.ledger.length} gates, ${starts.size} attempts started once each${moved}${killed}`;
}

/** Returns the items in an order that the seed alone decides (a linear congruential generator, Numerical Recipes' constants). */
function shuffle<T>(items: readonly T[], seed: number): T[] {
  const order = [...items];
  let state = seed >>> 0;
  for (let at = order.length - 1; at > 0; at--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (at + 1);
    const [a, b] = [order[at], order[other]];
    if (a !== undefined && b !== undefined) [order[at], order[other]] = [b, a];
  }
  return order;
}
