import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { displayWidth, renderFields, renderTable, truncate } from './table.ts';

const plain = (text: string): string => text;

test('columns line up, right-aligned ones by their ends', () => {
  const table = renderTable({
    columns: [{ title: 'N', align: 'right' }, { title: 'NAME' }, { title: 'LAST' }],
    rows: [
      ['1', 'short', 'x'],
      ['10', '日本', 'y'],
    ],
    width: null,
    heading: plain,
  });
  assert.equal(table, ' N  NAME   LAST\n 1  short  x\n10  日本   y\n');
});

test('only the flexible column gives way, and the line fits', () => {
  const cell = fc
    .string({ unit: 'grapheme', maxLength: 40 })
    .filter((text) => !/\s$/.test(text) && !/[\n\r\t]/.test(text));
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 5 }), fc.integer({ min: 20, max: 60 }), (texts, width) => {
      const rows = texts.map((text) => ['12345', text, 'end']);
      const columns = [{ title: 'A' }, { title: 'B', flexible: true }, { title: 'C' }];
      const lines = renderTable({ columns, rows, width, heading: plain }).split('\n').slice(0, -1);
      assert.equal(lines.length, rows.length + 1);
      for (const line of lines) assert.ok(displayWidth(line) <= width, `${displayWidth(line)} > ${width}: ${line}`);
      for (const line of lines.slice(1)) assert.ok(line.startsWith('12345') && line.endsWith('end'), line);
    }),
  );
});

test('cutting leaves whole characters and says that it cut', () => {
  assert.equal(truncate('hello', 5), 'hello');
  assert.equal(truncate('hello', 4), 'hel…');
  assert.equal(truncate('日本語', 4), '日…');
  assert.equal(truncate('日本語', 5), '日本…');
  assert.equal(displayWidth('e\u0301✓🚀'), 4);
});

test('colours do not shift the columns', () => {
  const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
  const table = renderTable({
    columns: [{ title: 'A' }, { title: 'B' }],
    rows: [
      [{ text: 'x', style: red }, '1'],
      ['long', '2'],
    ],
    width: null,
    heading: plain,
  });
  assert.equal(table, 'A     B\n\u001b[31mx\u001b[39m     1\nlong  2\n');
});

test('fields without a value are left out', () => {
  assert.equal(
    renderFields(
      [
        ['id', '1'],
        ['session', null],
        ['state', 'x'],
      ],
      plain,
    ),
    'id     1\nstate  x\n',
  );
});
