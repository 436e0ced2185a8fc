/** The file `retention.json`: what is known of the wall clock, kept from server to server, with a sum. */
import { readIfExists, writeDurable } from '../../kernel/durable.ts';
import { sha256 } from '../../kernel/hash.ts';
import { messageOf } from '../../kernel/result.ts';
import type { ClockWitness } from '../../lifecycle/retention.ts';

const SUM_CHARS = 12;

function encode({ wallAt, aheadMs, sinceMs }: ClockWitness): string {
  const body = JSON.stringify({ wallAt, aheadMs, sinceMs });
  return `${body} ${sha256(body).slice(0, SUM_CHARS)}\n`;
}

/** Returns what the file says, null where there is none; `damage` says why it cannot be believed. */
export async function readClockFile(path: string): Promise<{ witness: ClockWitness | null; damage: string | null }> {
  const text = (await readIfExists(path))?.toString();
  if (text === undefined) return { witness: null, damage: null };
  try {
    const witness = JSON.parse(text.slice(0, text.lastIndexOf(' '))) as ClockWitness;
    if (encode(witness) === text) return { witness, damage: null };
    return { witness: null, damage: 'it does not match its sum' };
  } catch (error) {
    return { witness: null, damage: `it could not be understood: ${messageOf(error)}` };
  }
}

/** Replaces the file, durably. */
export function writeClockFile(path: string, witness: ClockWitness): Promise<void> {
  return writeDurable(path, encode(witness));
}
