/** Copies files into a backup, each hashed on the way, and knows which are in it. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openPlainFile } from '../../keeper/plain-file.ts';
import { writeStream } from '../../kernel/durable.ts';
import { errnoOf, isDiskFull, isShortage, messageOf } from '../../kernel/result.ts';
import { removeTree } from '../../workspace/remove-tree.ts';
import type { ManifestFile } from './manifest.ts';

export interface Copying {
  /** Absolute path in the home. */
  from: string;
  /** Relative path in the backup. */
  to: string;
  /** It does not change any more: what an earlier round copied counts. */
  settled: boolean;
}

/** `absent`: nothing has this name. `refused`: something has it that is no plain file, or cannot be read. */
export type Copied = 'copied' | 'absent' | { refused: string };

export class Collector {
  readonly #root: string;
  readonly #signal: AbortSignal;
  readonly #files = new Map<string, ManifestFile>();
  /** Of this round. */
  #wanted = new Set<string>();
  bytes = 0;

  constructor(root: string, signal: AbortSignal) {
    this.#root = root;
    this.#signal = signal;
  }

  /** Begins a round: what it does not ask for again is dropped at its end. */
  begin(): void {
    this.#wanted = new Set();
  }

  /** Returns the files of this round, by path, once those of earlier rounds are deleted. */
  async end(): Promise<ManifestFile[]> {
    for (const path of this.#files.keys()) {
      if (this.#wanted.has(path)) continue;
      await removeTree(join(this.#root, path));
      this.#files.delete(path);
    }
    return [...this.#files.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** How many files of this round are in it. */
  count(): number {
    return this.#wanted.size;
  }

  /** Copies a file as long as it is now: what is appended meanwhile is not of this backup. Throws when we are short. */
  async copy({ from, to, settled }: Copying): Promise<Copied> {
    this.#signal.throwIfAborted();
    if (settled && this.#files.has(to)) {
      this.#wanted.add(to);
      return 'copied';
    }
    const found = await openPlainFile(from).catch((error: unknown) => refuse(error));
    if (found === null) return 'absent';
    if ('refused' in found) return found;
    await using handle = found;
    const { size } = await handle.stat();
    const source = size === 0 ? [] : handle.createReadStream({ autoClose: false, start: 0, end: size - 1 });
    await this.add(to, source as AsyncIterable<Uint8Array>);
    return 'copied';
  }

  /** Writes a new file of the backup. */
  async add(to: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.#root, to);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    if (this.#files.has(to)) await removeTree(path);
    // Flushed with everything else, by one sync of the file system before the backup gets its name.
    const options = { check: () => this.#signal.throwIfAborted(), flush: false };
    const { size, sha256 } = await writeStream(path, source, options);
    this.note({ path: to, bytes: size, sha256 });
  }

  /** Takes up a file that somebody else wrote there. */
  note(file: ManifestFile): void {
    this.#files.set(file.path, file);
    this.#wanted.add(file.path);
    this.bytes += file.bytes;
  }
}

/** What cannot be opened is named; that we are short, or that the disk fails, ends the backup. */
function refuse(error: unknown): { refused: string } {
  if (isShortage(error) || isDiskFull(error) || errnoOf(error) === 'EIO') throw error;
  return { refused: messageOf(error) };
}
