import { fail } from '../kernel/errors.ts';

/** Returns the opaque cursor that stands for `position` in the list `name`. */
export function encodeCursor(name: string, position: number): string {
  return Buffer.from(`${name}:${position}`).toString('base64url');
}

/** Returns the position of a cursor of the list `name`, 0 without one. Throws `bad-request` for any other text. */
export function decodeCursor(name: string, cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const text = Buffer.from(cursor, 'base64url').toString();
  const position = Number(text.slice(name.length + 1));
  const isOurs = Number.isSafeInteger(position) && position > 0 && encodeCursor(name, position) === cursor;
  if (!isOurs) throw fail('bad-request', 'cursor: not one this list gave out');
  return position;
}
