/**
 * The witness: a file beside the database that holds the last committed sequence and its hash, flushed after COMMIT and
 * before any answer. A flipped bit in the write-ahead log makes SQLite silently drop acknowledged transactions; this is
 * how that is noticed. Two slots are overwritten in turn, a page apart, so that a torn write never takes both.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { sha256 } from '../../kernel/hash.ts';
import { readIfExistsSync, syncDataSync, writeDurableSync } from '../../kernel/durable.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { messageOf } from '../../kernel/result.ts';
import { GENESIS } from './journal.ts';

const SLOT_BYTES = 64;
/** Distance of the slots: no sector or page holds both. */
const SLOT_OFFSETS = [0, 4096] as const;
const FILE_BYTES = SLOT_OFFSETS[1] + SLOT_BYTES;
const MAGIC = 'HFW1';
const SUM_OFFSET = 48;

export interface Mark {
  seq: number;
  /** Hash of the event with this sequence; zeros before the first. */
  hash: string;
}

/** Path of the witness of a database: `holdfast.db` → `holdfast.witness`, a name SQLite never uses. */
export function witnessPath(database: string): string {
  return `${database.replace(/\.db$/, '')}.witness`;
}

function encodeSlot(mark: Mark): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  slot.write(MAGIC, 0, 'latin1');
  slot.writeBigUInt64LE(BigInt(mark.seq), 8);
  slot.write(mark.hash, 16, 'hex');
  slot.write(sha256(slot.subarray(0, SUM_OFFSET)).slice(0, 32), SUM_OFFSET, 'hex');
  return slot;
}

function decodeSlot(slot: Buffer): Mark | null {
  const sum = sha256(slot.subarray(0, SUM_OFFSET)).slice(0, 32);
  if (slot.toString('latin1', 0, 4) !== MAGIC || slot.toString('hex', SUM_OFFSET) !== sum) return null;
  return { seq: Number(slot.readBigUInt64LE(8)), hash: slot.toString('hex', 16, SUM_OFFSET) };
}

/** What a witness file says: its intact marks, newest first; null when there is no file. */
export function readWitness(path: string): Mark[] | null {
  const bytes = readIfExistsSync(path);
  if (bytes === null) return null;
  return SLOT_OFFSETS.map((offset) => bytes.subarray(offset, offset + SLOT_BYTES))
    .filter((slot) => slot.length === SLOT_BYTES)
    .map(decodeSlot)
    .filter((mark) => mark !== null)
    .toSorted((a, b) => b.seq - a.seq);
}

/** Compares a witness with the journal; returns what is wrong, or null. `hashOf` gives the hash of a stored event. */
export function judgeWitness(marks: Mark[] | null, last: Mark, hashOf: (seq: number) => string | null): string | null {
  if (marks === null) return last.seq === 0 ? null : `the witness is missing beside ${last.seq} events`;
  if (marks.length === 0) return 'no slot of the witness is intact';
  for (const mark of marks) {
    if (mark.seq > last.seq) {
      return `event ${mark.seq} was acknowledged, but the journal ends at ${last.seq}: the last writes are gone`;
    }
    const hash = mark.seq > 0 ? hashOf(mark.seq) : mark.hash;
    if (hash !== mark.hash && hash !== 'removed') return `event ${mark.seq} is not the one that was acknowledged`;
  }
  return null;
}

/** The open witness of a running store. */
export class Witness {
  readonly #fd: number;
  #next = 0;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens the witness for writing, replacing it by one that says `last` when `renew` is set or there is none. */
  static open(path: string, last: Mark, renew: boolean): Witness {
    const marks = readWitness(path);
    if (marks === null || renew) {
      const file = Buffer.alloc(FILE_BYTES);
      encodeSlot(last).copy(file, SLOT_OFFSETS[0]);
      encodeSlot({ seq: 0, hash: GENESIS }).copy(file, SLOT_OFFSETS[1]);
      writeDurableSync(path, file);
    }
    const witness = new Witness(openSync(path, 'r+'));
    witness.#next = witness.#oldestSlot();
    return witness;
  }

  /** Overwrites the older slot and flushes it. An error leaves the outcome unknown. */
  write(mark: Mark): void {
    const offset = SLOT_OFFSETS[this.#next as 0 | 1];
    const written = writeSync(this.#fd, encodeSlot(mark), 0, SLOT_BYTES, offset);
    if (written !== SLOT_BYTES) throw new Error(`wrote ${written} of ${SLOT_BYTES} bytes of the witness`);
    syncDataSync(this.#fd);
    this.#next = 1 - this.#next;
    failpoint('store.after-witness');
  }

  close(): void {
    closeSync(this.#fd);
  }

  #oldestSlot(): number {
    const seqs = SLOT_OFFSETS.map((offset) => {
      const slot = Buffer.alloc(SLOT_BYTES);
      readSync(this.#fd, slot, 0, SLOT_BYTES, offset);
      return decodeSlot(slot)?.seq ?? -1;
    });
    return (seqs[0] ?? -1) <= (seqs[1] ?? -1) ? 0 : 1;
  }
}

/** Reads a witness; an unreadable file is a finding, not a reason to give up. */
export function inspectWitness(path: string): { marks: Mark[] | null; error: string | null } {
  try {
    return { marks: readWitness(path), error: null };
  } catch (error) {
    return { marks: [], error: messageOf(error) };
  }
}
