/**
 * HEAD of a bare mirror. Nothing is read through it but git itself, which refuses a directory whose HEAD makes no sense,
 * and says nothing about one that names a branch that is not there. What it must say follows from the registration, so
 * it is derived data: whoever finds it damaged writes it anew.
 */
import { join } from 'node:path';
import { readIfExists, writeDurable } from '../kernel/durable.ts';
import { readMirrorBase } from './mirror-base.ts';
import { exists } from './remove-tree.ts';
import { isBranchName } from './source-address.ts';

/** Longest part of a damaged HEAD that is told, characters. */
const MAX_TOLD = 80;

/** Path of the file. */
export function mirrorHeadPath(mirrorDir: string): string {
  return join(mirrorDir, 'HEAD');
}

/**
 * Returns what is wrong with HEAD of a mirror, or null: it names `base`, or another branch that is there, as where the base
 * was changed since the last fetch. Reads only.
 */
export async function judgeMirrorHead(mirrorDir: string, base: string): Promise<string | null> {
  const text = await readHead(mirrorDir);
  if (text === null) return 'HEAD is missing';
  if (text === headOf(base)) return null;
  const branch = /^ref: refs\/heads\/([^\n]+)\n$/.exec(text)?.[1] ?? '';
  if (isBranchName(branch) && (await readMirrorBase({ mirrorDir, base: branch })) !== null) return null;
  return `HEAD says ${JSON.stringify(text.slice(0, MAX_TOLD))} instead of ${JSON.stringify(headOf(base))}`;
}

/**
 * Makes HEAD of a mirror name `base`, whatever it says; returns what was wrong with it, or null. Null too where there is no
 * mirror. One rename, so nobody who reads meanwhile sees half of it.
 */
export async function mendMirrorHead(mirrorDir: string, base: string): Promise<string | null> {
  if (!(await exists(mirrorDir))) return null;
  if ((await readHead(mirrorDir)) === headOf(base)) return null;
  const why = await judgeMirrorHead(mirrorDir, base);
  await writeDurable(mirrorHeadPath(mirrorDir), headOf(base));
  return why;
}

function headOf(base: string): string {
  return `ref: refs/heads/${base}\n`;
}

async function readHead(mirrorDir: string): Promise<string | null> {
  return (await readIfExists(mirrorHeadPath(mirrorDir)))?.toString('latin1') ?? null;
}
