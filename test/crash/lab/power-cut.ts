/**
 * Cuts the power after every operation of a recorded run, under every model of a disk, and looks at each state that can
 * have come of it: `kill -9` alone never loses what was not flushed, so it proves nothing about flushes.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkHome, hashState } from './check-home.ts';
import { Disk, type Content, type DiskModel } from './disk-model.ts';
import { isDurable, type Operation, type Promised } from './operation-log.ts';
import { createRandom } from './random.ts';

/** One state of the disk after a cut. */
export interface Cut {
  /** Operations that happened. */
  after: number;
  model: DiskModel;
  /** Of a torn state. */
  seed: number;
}

export interface CutViolation {
  cut: Cut;
  why: string[];
}

export interface CutResult {
  /** Cuts tried, and the different states they left. */
  tried: number;
  distinct: number;
  violations: CutViolation[];
}

export interface CutPlan {
  operations: readonly Operation[];
  /** Home the run was recorded in. */
  root: string;
  /** What lay there before, or null. */
  before: string | null;
  /** Torn states tried after each operation. */
  seeds: number;
  /** Every so many-th operation, from the first; 1 takes all. */
  stride: number;
  /** This one of so many: states are dealt out by their hash. */
  share: { part: number; parts: number };
}

/** Where states are laid out: in memory where that is possible, since nothing of them has to survive. */
export function makeScratch(): string {
  const base = existsSync('/dev/shm') && process.env['HOLDFAST_TEST_RUN'] === undefined ? '/dev/shm' : tmpdir();
  return realpathSync(mkdtempSync(join(base, 'holdfast-lab-')));
}

/** What `checkHome` reads: git trees and the lock of the home decide nothing there. */
function isRelevant(path: string): boolean {
  return !/^(repos|removals)\/|^jobs\/[^/]+\/(workspace|home)|^server\.|-shm$/.test(path);
}

/** Violations after which a run is known to be wrong, and more of them say nothing. */
const ENOUGH = 20;

/** Tries every cut of the plan. */
export function tryCuts(plan: CutPlan): CutResult {
  const disk = new Disk(plan.root);
  if (plan.before !== null) disk.load(plan.before);
  const seen = new Set<string>();
  const promises: Promised[] = [];
  const result: CutResult = { tried: 0, distinct: 0, violations: [] };
  for (const [index, operation] of plan.operations.entries()) {
    if (operation.op === 'A') promises.push(JSON.parse(operation.class) as Promised);
    else disk.apply(operation);
    const matters = operation.op === 'A' || isDurable(operation);
    if (!matters || index % plan.stride !== 0 || result.violations.length >= ENOUGH) continue;
    for (const cut of listCuts(index + 1, plan.seeds)) {
      result.tried++;
      const why = tryCut(disk, cut, { promises, seen, share: plan.share });
      if (why === null) continue;
      result.distinct++;
      if (why.length > 0) result.violations.push({ cut, why });
    }
  }
  return result;
}

/** Returns the states a cut after so many operations may leave. */
function listCuts(after: number, seeds: number): Cut[] {
  const plain = (['strict', 'ordered', 'eager'] as const).map((model) => ({ after, model, seed: 0 }));
  const torn = Array.from({ length: seeds }, (_, seed) => ({ after, model: 'torn' as const, seed: seed + 1 }));
  return [...plain, ...torn];
}

interface Known {
  promises: readonly Promised[];
  seen: Set<string>;
  share: { part: number; parts: number };
}

/** Returns what is wrong with the state, or null when it is not a new one or another's share. */
function tryCut(disk: Disk, cut: Cut, { promises, seen, share }: Known): string[] | null {
  const files = new Map([...cutDisk(disk, cut)].filter(([path]) => isRelevant(path)));
  // What was promised decides what is wrong, too: a state that was right may be too little later.
  const hash = hashState(files);
  const key = `${hash} ${promises.length}`;
  if (seen.has(key) || Number.parseInt(hash.slice(0, 8), 16) % share.parts !== share.part) return null;
  const isNew = !seen.has(hash);
  seen.add(key).add(hash);
  const scratch = makeScratch();
  try {
    layOut(scratch, files);
    const why = checkHome(scratch, promises);
    return isNew || why.length > 0 ? why : null;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Returns what a cut leaves of a disk. */
function cutDisk(disk: Disk, { after, model, seed }: Cut): Map<string, Content> {
  return disk.cut(model, createRandom(after * 1000 + seed));
}

/** Writes a state into an existing directory. */
export function layOut(directory: string, files: ReadonlyMap<string, Content>): void {
  for (const [path, content] of files) {
    const full = join(directory, path);
    if (content === null) mkdirSync(full, { recursive: true });
    else if (typeof content === 'string') symlinkSync(content, full);
    else writeFileSync(full, content, { mode: 0o600 });
  }
}

/** Returns the whole home as it is after a cut, and what was promised until then. */
export function replayCut(
  run: { operations: readonly Operation[]; root: string; before: string | null },
  cut: Cut,
): { files: Map<string, Content>; promises: Promised[] } {
  const disk = new Disk(run.root);
  if (run.before !== null) disk.load(run.before);
  const promises: Promised[] = [];
  for (const operation of run.operations.slice(0, cut.after)) {
    if (operation.op === 'A') promises.push(JSON.parse(operation.class) as Promised);
    else disk.apply(operation);
  }
  return { files: cutDisk(disk, cut), promises };
}
