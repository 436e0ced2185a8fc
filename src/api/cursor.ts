import { fail } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';

/** Characters of the check: enough that no slip and no guess passes for ours. */
const CHECK_CHARS = 16;

function checkOf(text: string): string {
  return sha256(text).slice(0, CHECK_CHARS);
}

/** Returns the opaque cursor that stands for `position` in the list `name`. */
export function encodeCursor(name: string, position: string | number): string {
  const text = `${name}:${position}`;
  return Buffer.from(`${text}:${checkOf(text)}`).toString('base64url');
}

/** Returns the position of a cursor of the list `name`, null without one. Throws `bad-request` for any other text. */
export function decodeCursor(name: string, cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  const position = Buffer.from(cursor, 'base64url')
    .toString()
    .slice(name.length + 1, -CHECK_CHARS - 1);
  if (encodeCursor(name, position) !== cursor) throw fail('bad-request', 'cursor: not one this list gave out');
  return position;
}
