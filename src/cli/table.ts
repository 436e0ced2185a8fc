/** A column of a table for people. */
export interface Column {
  title: string;
  align?: 'right';
  /** The one that gives way when the terminal is too narrow. */
  flexible?: boolean;
}

/** One cell: its text, and how to colour it once it has been cut and padded. */
export interface Cell {
  text: string;
  style?: (text: string) => string;
}

const GAP = '  ';
/** A flexible column is never cut below this. */
const NARROWEST = 8;

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;
const ZERO = /\p{Mn}|\p{Me}|[\u200b-\u200d]|\ufe0f/u;

/** Returns how many columns of a terminal `text` takes (no control characters in it). */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += ZERO.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** Returns `text` cut to at most `width` columns, with an ellipsis where something was left out. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let out = '';
  let used = 0;
  for (const character of text) {
    const size = displayWidth(character);
    if (used + size > width - 1) break;
    out += character;
    used += size;
  }
  return `${out}…`;
}

/** Returns an aligned table with a heading line, each line ended by a line break; `width` null means no limit. */
export function renderTable(table: {
  columns: readonly Column[];
  rows: readonly (readonly (Cell | string)[])[];
  width: number | null;
  heading: (text: string) => string;
}): string {
  const { columns } = table;
  const rows = table.rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)));
  const widths = columns.map((column, i) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[i]?.text ?? ''))),
  );
  const flexible = columns.findIndex((column) => column.flexible === true);
  const total = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (columns.length - 1);
  if (table.width !== null && flexible >= 0 && total > table.width) {
    widths[flexible] = Math.max(NARROWEST, (widths[flexible] ?? 0) - (total - table.width));
  }
  const line = (cells: readonly Cell[]): string => {
    const parts = columns.map((column, i) => {
      const cell = cells[i] ?? { text: '' };
      const text = i === flexible ? truncate(cell.text, widths[i] ?? 0) : cell.text;
      const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - displayWidth(text)));
      const styled = cell.style === undefined ? text : cell.style(text);
      if (column.align === 'right') return space + styled;
      return i === columns.length - 1 ? styled : styled + space;
    });
    return `${parts.join(GAP).trimEnd()}\n`;
  };
  const head = line(columns.map((column) => ({ text: column.title, style: table.heading })));
  return head + rows.map(line).join('');
}

/** Returns `label  value` lines with the values aligned; entries whose value is null are left out. */
export function renderFields(
  fields: readonly (readonly [string, string | null])[],
  label: (text: string) => string,
): string {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== null);
  const width = Math.max(0, ...shown.map(([name]) => displayWidth(name)));
  return shown.map(([name, value]) => `${label(name.padEnd(width))}  ${value}\n`).join('');
}
