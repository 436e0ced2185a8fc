/** The manifest of a backup: written last, names every file by size and hash, and carries a sum of its own. */
import { join } from 'node:path';
import { readIfExists, writeDurable } from '../../kernel/durable.ts';
import { fail } from '../../kernel/errors.ts';
import { canonicalJson, sha256 } from '../../kernel/hash.ts';
import { messageOf } from '../../kernel/result.ts';
import { isId } from '../../kernel/ids.ts';
import type { CopiedDatabase } from '../../store/backup-store.ts';
import type { StoreCheck } from '../../store/store.ts';
import type { BundledMirror } from '../../workspace/bundle.ts';

const MANIFEST = 'manifest.json';
/** Name of the copied database, in a backup and in a home. */
export const DATABASE = 'holdfast.db';
/** Grows when an older version could not restore what a newer one made. */
const FORMAT = 1;

export interface ManifestFile {
  /** Relative, with `/`. */
  path: string;
  bytes: number;
  sha256: string;
}

export interface Manifest {
  format: number;
  /** Of the backup, as the home it was made of recorded it. */
  id: string;
  /** Version of the program that made it. */
  holdfast: string;
  /** When its state of the database was taken, milliseconds since 1970. */
  madeAt: number;
  /** Home it was made of, as a path of that machine. */
  home: string;
  database: CopiedDatabase;
  jobs: number;
  /** Which of its files hold secrets as they are. */
  secrets: string[];
  repositories: { id: string; name: string; mirror: BundledMirror | null }[];
  /** What could not be saved, and why: the home did not have it, or had something else in its place. */
  missing: string[];
  /** What the check of the database finds: it is damaged in the home as well. */
  damaged: string[];
  files: ManifestFile[];
}

/** What the check of a copied database finds, as a manifest says it. */
export function describeDamage(check: StoreCheck, path: string): string[] {
  return check.corrupt.map(({ kind, id, why }) => `${id === path ? kind : `${kind} ${id}`}: ${why}`).toSorted();
}

/** Where the bundle of a mirror lies in a backup. */
export function bundlePath(repositoryId: string): string {
  return `repos/${repositoryId}/mirror.bundle`;
}

/** Writes the manifest, durably; returns its sha256. */
export async function writeManifest(directory: string, manifest: Omit<Manifest, 'format'>): Promise<string> {
  const whole = { ...manifest, format: FORMAT };
  const text = `${JSON.stringify({ ...whole, sum: sha256(canonicalJson(whole)) })}\n`;
  await writeDurable(join(directory, MANIFEST), text);
  return sha256(text);
}

/** Reads a manifest. Throws `backup-damaged` when there is none or it is not what was written, `backup-too-new`. */
export async function readManifest(directory: string): Promise<{ manifest: Manifest; sha256: string }> {
  const bytes = await readIfExists(join(directory, MANIFEST)).catch((error: unknown) => {
    throw fail('backup-damaged', `${directory}: ${messageOf(error)}`, { cause: error });
  });
  if (bytes === null) {
    const hint = 'A backup that was cut off has none; name the directory that `holdfast backup` printed.';
    throw fail('backup-damaged', `${directory} has no ${MANIFEST}: it is no backup, or was never finished`, { hint });
  }
  const { sum, ...manifest } = parse(directory, bytes.toString());
  if (typeof manifest.format === 'number' && manifest.format > FORMAT) {
    throw fail('backup-too-new', `${directory} has format ${manifest.format}; this version knows up to ${FORMAT}`);
  }
  if (sum !== sha256(canonicalJson(manifest))) throw damaged(directory, 'it does not match its own sum');
  const strange = manifest.files.find(({ path }) => !isInside(path));
  if (strange !== undefined) throw damaged(directory, `${JSON.stringify(strange.path)} is not a file of a backup`);
  if (manifest.repositories.some(({ id }) => !isId('repo', id))) throw damaged(directory, 'a repository has no id');
  return { manifest, sha256: sha256(bytes) };
}

function damaged(directory: string, why: string): Error {
  return fail('backup-damaged', `${join(directory, MANIFEST)}: ${why}`);
}

function parse(directory: string, text: string): Manifest & { sum?: string } {
  try {
    const parsed = JSON.parse(text) as (Manifest & { sum?: string }) | null;
    if (parsed !== null && typeof parsed === 'object' && Array.isArray(parsed.files)) return parsed;
  } catch {
    // Told below, like any other damage.
  }
  throw damaged(directory, 'it is not a manifest');
}

const TOP = ['jobs', 'repos', DATABASE, 'holdfast.config.json', 'callback-secret.json', 'statistics.json'];

/** A manifest says where files are written when it is restored: nowhere but below the home. */
function isInside(path: string): boolean {
  const parts = path.split('/');
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
  return isPlain && TOP.includes(parts[0] ?? '');
}
