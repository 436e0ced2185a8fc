import { readIfExists, removeDurable, writeDurable } from '../kernel/durable.ts';
import { messageOf } from '../kernel/result.ts';
import { KEPT_BOOTS, type AbortedStart } from '../lifecycle/report.ts';

/** Which phase a start is in, kept in a file of its own: the store may be what it dies of. */
export interface StartMarker {
  /** Earlier starts since the last ready one, oldest first, at most as many as reports are kept. */
  readonly aborted: AbortedStart[];
  /** What is wrong with the file as it was found, or null. */
  readonly damage: string | null;
  /** Says which phase begins. */
  enter(phase: Omit<AbortedStart, 'error'>): Promise<void>;
  /** Says why this start gives up. */
  note(error: string): Promise<void>;
  /** This start is ready: the next one has nothing to tell of it. */
  remove(): Promise<void>;
}

interface MarkerFile {
  aborted: AbortedStart[];
  current: AbortedStart | null;
}

/**
 * Reads what the last start left at `path` and returns the marker of this one. A marker that cannot be read counts as one
 * aborted start of which nothing is known: it is for people, and never keeps a server from starting.
 */
export async function openStartMarker(path: string): Promise<StartMarker> {
  const left = await readMarker(path);
  const aborted = [...left.aborted, ...(left.current === null ? [] : [left.current])].slice(-KEPT_BOOTS);
  let current: AbortedStart | null = null;
  // A disk that refuses it ends the start soon enough, with an error of its own that people must hear instead.
  const write = (): Promise<void> =>
    writeDurable(path, `${JSON.stringify({ aborted, current } satisfies MarkerFile)}\n`).catch(() => undefined);
  return {
    aborted,
    damage: left.damage,
    enter(phase) {
      current = { ...phase, error: null };
      return write();
    },
    async note(error) {
      if (current === null) return;
      current = { ...current, error };
      await write();
    },
    remove: () => removeDurable(path),
  };
}

async function readMarker(path: string): Promise<MarkerFile & { damage: string | null }> {
  let text: string | undefined;
  try {
    text = (await readIfExists(path))?.toString();
    if (text === undefined) return { aborted: [], current: null, damage: null };
    const { aborted, current } = JSON.parse(text) as Partial<MarkerFile>;
    if (!Array.isArray(aborted) || !aborted.every(isAborted)) throw new Error('it is no list of starts');
    if (current !== null && !isAborted(current)) throw new Error('it names no start');
    return { aborted, current, damage: null };
  } catch (error) {
    const lost = { bootId: 'unknown', phase: 'unknown', at: 0, error: `${path}: ${messageOf(error)}` };
    return { aborted: [], current: lost, damage: `it could not be understood: ${messageOf(error)}` };
  }
}

function isAborted(value: unknown): value is AbortedStart {
  if (value === null || typeof value !== 'object') return false;
  const { bootId, phase, at, error } = value as Record<string, unknown>;
  const isAt = Number.isSafeInteger(at);
  return (
    typeof bootId === 'string' && typeof phase === 'string' && isAt && (error === null || typeof error === 'string')
  );
}
