/** The log the shim writes: one record per durable operation, in the order they happened, and what was promised between. */
import { appendFileSync, readFileSync } from 'node:fs';
import { errnoOf } from '../../../src/kernel/result.ts';

/** Operations of the shim; `S` a snapshot of a file others write, `E` an error given, `K` the last call of a process. */
export type OperationName =
  | 'open'
  | 'write'
  | 'fsync'
  | 'fdatasync'
  | 'syncfs'
  | 'rename'
  | 'link'
  | 'symlink'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'truncate'
  | 'fallocate'
  | 'read-open'
  | 'S'
  | 'E'
  | 'K'
  /** Not of the shim: something was promised to somebody outside. */
  | 'A';

export interface Operation {
  op: OperationName;
  role: string;
  pid: number;
  ino: number;
  offset: number;
  /** Bytes written, whether or not they were kept. */
  bytes: number;
  data: Buffer;
  /** Path below the home without what differs from run to run; of an `A`, its JSON. */
  class: string;
  path: string;
  to: string;
}

/** A promise somebody outside was given, to be found at its place among the operations. */
export interface Promised {
  /** Sequence the journal had reached, when it was told. */
  seq?: number;
  /** Accepted job, and the hash of its prompt. */
  job?: string;
  promptSha256?: string;
  /** An agent said that it runs as this attempt, and of which job. */
  started?: string;
  of?: string;
  /** A file of a job was taken; `versions` are the hashes it may have: what was acknowledged, or is sent after it. */
  file?: { job: string; name: string; versions: readonly string[] };
  /** A receiver was sent this message, with a body of this hash. */
  told?: { id: string; bodySha256: string };
  /** Somebody asked for the removal of this job; and was told that it is done. */
  removing?: string;
  removed?: string;
}

/** Appends a promise to a log. To be called by whoever got it, as soon as it was given. */
export function recordPromise(log: string, promised: Promised): void {
  appendFileSync(log, `A\toutside\t0\t0\t0\t0\t0\t${JSON.stringify(promised)}\t\t\n\n`);
}

/** Returns the records of a log; [] when there is none. A last one that is not whole is left out. */
export function readLog(path: string): Operation[] {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
  const operations: Operation[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(10, at);
    if (end < 0) break;
    const [op, role = '', pid, ino, offset, bytes, kept, name = '', where = '', to = ''] = text
      .toString('utf8', at, end)
      .split('\t');
    const from = end + 1;
    const data = text.subarray(from, from + Number(kept));
    at = from + Number(kept) + 1;
    operations.push({
      op: op as OperationName,
      role,
      pid: Number(pid),
      ino: Number(ino),
      offset: Number(offset),
      bytes: Number(bytes),
      data,
      class: name,
      path: where,
      to,
    });
  }
  return operations;
}

const PASSIVE = new Set<OperationName>(['S', 'E', 'K', 'A', 'read-open']);

/** Whether it changes what survives: the shared memory of SQLite is made anew at every start. */
export function isDurable(operation: Operation): boolean {
  return !PASSIVE.has(operation.op) && !operation.class.endsWith('-shm');
}

/** Returns what was promised up to this place in the log. */
export function listPromises(operations: readonly Operation[]): Promised[] {
  return operations.filter(({ op }) => op === 'A').map((one) => JSON.parse(one.class) as Promised);
}
