/**
 * The file `host`: a random id that tells runs of this home from those of a copy elsewhere. It carries a sum, and every
 * start records the id it worked under, so that a damaged file is told from another one and can be written anew: under
 * a wrong id the server would take its own agents for those of somebody else.
 */
import { createDurableSync, readIfExists, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import { isId, newId } from '../kernel/ids.ts';

const SUM_CHARS = 12;

/** What the file says. `plain` is one of an older version, without a sum. */
export type HostReading =
  | { kind: 'sealed' | 'plain'; id: string }
  | { kind: 'absent' }
  | { kind: 'damaged'; text: string };

function encodeHost(id: string): string {
  return `${id} ${sha256(id).slice(0, SUM_CHARS)}\n`;
}

/** Reads the file; only a file that is not there is absent. */
export async function readHostFile(path: string): Promise<HostReading> {
  const bytes = await readIfExists(path);
  if (bytes === null) return { kind: 'absent' };
  const text = bytes.toString().trim();
  const [id = '', sum] = text.split(' ');
  if (!isId('host', id)) return { kind: 'damaged', text };
  if (sum === undefined) return { kind: 'plain', id };
  return encodeHost(id).trim() === text ? { kind: 'sealed', id } : { kind: 'damaged', text };
}

/** Writes a fresh id: what runs under another one belongs to somebody else from here on. */
export async function writeFreshHost(path: string, now: number): Promise<string> {
  const id = newId('host', now);
  await writeDurable(path, encodeHost(id));
  return id;
}

/**
 * Returns the id to work under, and what was wrong with the file. `lastKnown` is the id of the newest start that recorded
 * one. Throws `home-unusable` when the file is damaged and no start knows better.
 */
export async function settleHost(
  path: string,
  known: { lastKnown: string | null; now: number },
): Promise<{ id: string; damage: string | null }> {
  const reading = await readHostFile(path);
  if (reading.kind === 'sealed') return { id: reading.id, damage: null };
  if (reading.kind === 'absent') {
    createDurableSync(path, encodeHost(newId('host', known.now)));
    return settleHost(path, known);
  }
  const isOlder = reading.kind === 'plain' && (known.lastKnown === null || known.lastKnown === reading.id);
  const id = isOlder ? reading.id : known.lastKnown;
  if (id === null) {
    throw fail('home-unusable', `${path} is damaged, and no earlier start says what it was`, {
      hint: 'Restore it: the field `host` of a claim in jobs/*/attempts/*/claim names the id. Or remove it, and what runs now is not taken up again.',
    });
  }
  await writeDurable(path, encodeHost(id));
  return { id, damage: isOlder ? null : 'it was damaged; it is written anew from the last start' };
}
