/** The generated parts of the documents are what the tables of the code say. `npm run docs` makes them anew. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { BLOCKS, DOCUMENTS, listBlocks, renderBlocks } from '../scripts/documents.ts';
import { JOB_STATES, JOB_TRANSITIONS } from '../src/lifecycle/transitions.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8');

describe('the documents', () => {
  for (const document of DOCUMENTS) {
    it(`${document} is up to date (npm run docs)`, () => {
      assert.ok(listBlocks(read(document)).length > 0, 'it has no generated block');
      assert.equal(read(document), renderBlocks(read(document)));
    });
  }

  it('show every block once', () => {
    const shown = DOCUMENTS.flatMap((document) => listBlocks(read(document)));
    assert.deepEqual(shown.toSorted(), Object.keys(BLOCKS).toSorted());
  });

  it('draw every state and every transition of a job', () => {
    const text = read('ARCHITECTURE.md');
    for (const state of JOB_STATES) assert.match(text, new RegExp(`--> ${state}: `));
    for (const [name, { from, to }] of Object.entries(JOB_TRANSITIONS)) {
      for (const state of from)
        assert.match(text, new RegExp(`^ {2}${state} --> ${to}: (\\w+, )*${name}(, \\w+)*$`, 'm'));
    }
  });

  it('name every room', () => {
    const text = read('ARCHITECTURE.md');
    const rooms = text.slice(text.indexOf('## Rooms'), text.indexOf('Who may import whom'));
    const described = [...rooms.matchAll(/^\| ([a-z]+) +\|/gm)].map(([, room]) => room).slice(1);
    const table = [...(BLOCKS['import table']?.() ?? '').matchAll(/^\| ([a-z]+) +\|/gm)]
      .map(([, room]) => room)
      .slice(1);
    assert.deepEqual(described, table);
  });
});

describe('renderBlocks', () => {
  const block = (name: string, content: string): string =>
    `<!-- generated: ${name} -->\n${content}<!-- end of generated -->`;

  it('replaces what is inside a block, and nothing else', () => {
    const text = `before\n${block('errors', 'stale\n')}\nafter`;
    const rendered = renderBlocks(text);
    assert.doesNotMatch(rendered, /stale/);
    assert.match(rendered, /^before\n<!-- generated: errors -->\n\n\| code/);
    assert.match(rendered, /<!-- end of generated -->\nafter$/);
    assert.equal(renderBlocks(rendered), rendered);
  });

  it('refuses a block of an unknown name, and one without an end', () => {
    assert.throws(() => renderBlocks(block('none', '')), /no generated block "none"/);
    assert.throws(() => renderBlocks('<!-- generated: errors -->\n'), /1 blocks are opened, but 0 are whole/);
  });
});
