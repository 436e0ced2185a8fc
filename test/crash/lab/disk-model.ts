/**
 * What a disk may hold after the power went: files as they were when last flushed, names as their directory was when
 * last flushed, and of everything newer whatever the model of the disk allows. Fed with operations in their order.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from './operation-log.ts';

/**
 * - `strict`: only what was flushed; a name only once its directory was.
 * - `ordered`: every name so far, as a journalling file system keeps them; of the content only what was flushed.
 * - `eager`: everything so far, as after a kill.
 * - `torn`: what was flushed, and of the rest any part, chosen by a seed.
 */
export type DiskModel = 'strict' | 'ordered' | 'eager' | 'torn';

/** Smallest piece of a write that is kept or lost. */
const SECTOR = 512;

interface Write {
  offset: number;
  data: Buffer;
}

class FileNode {
  readonly kind = 'file';
  readonly ino: number;
  /** Names it has: without one, its number may come back as another file's. */
  links = 0;
  now: Buffer = Buffer.alloc(0);
  flushed: Buffer = Buffer.alloc(0);
  /** Since the last flush; a cut has no data. */
  pending: (Write | { length: number })[] = [];

  constructor(ino: number) {
    this.ino = ino;
  }

  write(change: Write): void {
    this.now = apply(this.now, change);
    this.pending.push(change);
  }

  cut(length: number): void {
    this.now = resize(this.now, length);
    this.pending.push({ length });
  }

  flush(): void {
    this.flushed = this.now;
    this.pending = [];
  }
}

interface NameChange {
  name: string;
  node: Node | null;
  /** One number per operation: a rename happens in both directories or in none. */
  id: number;
}

class DirectoryNode {
  readonly kind = 'directory';
  readonly now = new Map<string, Node>();
  flushed = new Map<string, Node>();
  pending: NameChange[] = [];

  set(name: string, node: Node | null, id: number): void {
    if (node === null) this.now.delete(name);
    else this.now.set(name, node);
    this.pending.push({ name, node, id });
  }

  flush(): void {
    this.flushed = new Map(this.now);
    this.pending = [];
  }
}

interface LinkNode {
  readonly kind: 'link';
  target: string;
}

type Node = FileNode | DirectoryNode | LinkNode;

function resize(data: Buffer, length: number): Buffer {
  if (length <= data.length) return data.subarray(0, length);
  return Buffer.concat([data, Buffer.alloc(length - data.length)]);
}

function apply(data: Buffer, { offset, data: bytes }: Write): Buffer {
  const copy = Buffer.from(resize(data, Math.max(data.length, offset + bytes.length)));
  bytes.copy(copy, offset);
  return copy;
}

/** Content of a path after a cut: bytes, a link's target, or null for a directory. */
export type Content = Buffer | string | null;

/** A disk below `root`, which exists and is durable. */
export class Disk {
  readonly #root: string;
  readonly #top = new DirectoryNode();
  readonly #files = new Map<number, FileNode>();
  #changes = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /** Begins with what lies below `directory` now, as if it had always been there. */
  load(directory: string): void {
    for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
      const from = join(directory, name);
      const path = join(this.#root, name);
      const about = lstatSync(from);
      if (about.isDirectory()) this.#name(path, new DirectoryNode(), 0);
      else if (about.isSymbolicLink()) this.#name(path, { kind: 'link', target: readlinkSync(from) }, 0);
      else if (about.isFile()) {
        const file = new FileNode(about.ino);
        file.now = readFileSync(from);
        this.#files.set(about.ino, file);
        this.#name(path, file, 0);
      }
    }
    flushAll(this.#top);
  }

  /** Takes in what happened next. */
  apply(operation: Operation): void {
    const id = ++this.#changes;
    const { op, path, to } = operation;
    if (op === 'open') this.#create(operation, id);
    else if (op === 'write') this.#file(operation).write({ offset: operation.offset, data: operation.data });
    else if (op === 'truncate') this.#file(operation).cut(operation.offset);
    else if (op === 'fallocate') this.#grow(operation);
    else if (op === 'S') this.#snapshot(operation);
    else if (op === 'fsync' || op === 'fdatasync') this.#flush(operation);
    else if (op === 'syncfs') flushAll(this.#top);
    else if (op === 'mkdir') this.#name(path, new DirectoryNode(), id);
    else if (op === 'symlink') this.#name(path, { kind: 'link', target: to }, id);
    else if (op === 'unlink' || op === 'rmdir') this.#name(path, null, id);
    else if (op === 'link') this.#name(to, this.#file(operation), id);
    else if (op === 'rename') this.#rename(operation, id);
  }

  #words(path: string): string[] {
    return path.slice(this.#root.length + 1).split('/');
  }

  /** The directory a path lies in; others may have made it without us. */
  #parent(path: string): DirectoryNode {
    let at = this.#top;
    for (const word of this.#words(path).slice(0, -1)) {
      let next = at.now.get(word);
      if (next?.kind !== 'directory') {
        next = new DirectoryNode();
        at.set(word, next, ++this.#changes);
      }
      at = next;
    }
    return at;
  }

  #find(path: string): Node | undefined {
    if (path === this.#root) return this.#top;
    return this.#parent(path).now.get(this.#words(path).at(-1) ?? '');
  }

  #name(path: string, node: Node | null, id: number): void {
    const before = this.#find(path);
    if (before?.kind === 'directory' && node?.kind === 'directory') return;
    if (before?.kind === 'file' && before !== node && --before.links === 0) this.#forget(before);
    if (node?.kind === 'file' && before !== node) node.links++;
    this.#parent(path).set(this.#words(path).at(-1) ?? '', node, id);
  }

  #forget(file: FileNode): void {
    if (this.#files.get(file.ino) === file) this.#files.delete(file.ino);
  }

  #create({ path, ino }: Operation, id: number): void {
    const file = new FileNode(ino);
    this.#files.set(ino, file);
    this.#name(path, file, id);
  }

  /** By its inode; one made by others gets the name it is known under. */
  #file(operation: Operation): FileNode {
    const named = this.#find(operation.path);
    const file =
      this.#files.get(operation.ino) ?? (named?.kind === 'file' ? named : null) ?? new FileNode(operation.ino);
    this.#files.set(operation.ino, file);
    if (named === undefined) this.#name(operation.path, file, ++this.#changes);
    return file;
  }

  #grow(operation: Operation): void {
    const file = this.#file(operation);
    if (operation.offset > file.now.length) file.cut(operation.offset);
  }

  #snapshot(operation: Operation): void {
    const file = this.#file(operation);
    if (file.now.equals(operation.data)) return;
    if (operation.data.length < file.now.length) file.cut(operation.data.length);
    file.write({ offset: 0, data: operation.data });
  }

  #flush(operation: Operation): void {
    const node = this.#find(operation.path);
    if (node?.kind === 'directory') node.flush();
    else this.#file(operation).flush();
  }

  #rename({ path, to, ino }: Operation, id: number): void {
    const node = this.#find(path) ?? this.#files.get(ino);
    if (node === undefined) return;
    this.#name(to, node, id);
    this.#name(path, null, id);
  }

  /** Returns every path below the root that a disk of this model may hold now, parents first. */
  cut(model: DiskModel, random: () => number = Math.random): Map<string, Content> {
    const kept = new Map<number, boolean>();
    const keeps = (id: number): boolean => {
      const known = kept.get(id) ?? random() < 0.5;
      kept.set(id, known);
      return known;
    };
    const found = new Map<string, Content>();
    const walk = (directory: DirectoryNode, prefix: string): void => {
      for (const [name, node] of namesOf(directory, model, keeps)) {
        const path = prefix === '' ? name : `${prefix}/${name}`;
        if (node.kind === 'link') found.set(path, node.target);
        else if (node.kind === 'file') found.set(path, contentOf(node, model, random));
        else {
          found.set(path, null);
          walk(node, path);
        }
      }
    };
    walk(this.#top, '');
    return found;
  }
}

function flushAll(directory: DirectoryNode): void {
  directory.flush();
  for (const node of directory.now.values()) {
    if (node.kind === 'directory') flushAll(node);
    else if (node.kind === 'file') node.flush();
  }
}

function namesOf(directory: DirectoryNode, model: DiskModel, keeps: (id: number) => boolean): Map<string, Node> {
  if (model === 'eager' || model === 'ordered') return directory.now;
  if (model === 'strict') return directory.flushed;
  const names = new Map(directory.flushed);
  for (const { name, node, id } of directory.pending) {
    if (!keeps(id)) continue;
    if (node === null) names.delete(name);
    else names.set(name, node);
  }
  return names;
}

function contentOf(file: FileNode, model: DiskModel, random: () => number): Buffer {
  if (model === 'eager') return file.now;
  if (model !== 'torn') return file.flushed;
  let data = file.flushed;
  for (const change of file.pending) {
    if (random() < 0.4) continue;
    if ('length' in change) data = resize(data, change.length);
    else data = apply(data, random() < 0.3 ? tear(change, random) : change);
  }
  return data;
}

/** The first sectors of a write. */
function tear({ offset, data }: Write, random: () => number): Write {
  const sectors = Math.ceil(data.length / SECTOR);
  return { offset, data: data.subarray(0, Math.floor(random() * sectors) * SECTOR) };
}
