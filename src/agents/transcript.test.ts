import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AgentEvent } from './adapter.ts';
import { createClaudeCodeAdapter } from './claude-code.ts';
import { createExecAdapter } from './exec.ts';
import { indent, inlineCode, neutralise, quote, shorten } from './neutralise.ts';
import { createScriptedAdapter } from './scripted.ts';
import { createTranscriptRenderer, type TranscriptSource } from './transcript.ts';

const claude = createClaudeCodeAdapter();
const exec = createExecAdapter();
const scripted = createScriptedAdapter();
const samples = new URL('../../test/fixtures/agents/claude-code/', import.meta.url);

/** Renders `bytes` cut into pieces of these sizes, again and again. */
function render(source: TranscriptSource, bytes: Uint8Array | string, cuts: readonly number[] = [65_536]): string {
  const data = Buffer.from(bytes);
  const renderer = createTranscriptRenderer(source);
  let text = '';
  for (let at = 0, n = 0; at < data.length; n++) {
    const size = cuts[n % cuts.length] ?? 1;
    text += renderer.push(data.subarray(at, at + size));
    at += size;
  }
  return text + renderer.end();
}

/** Events as they are, one per line of JSON. */
const direct: TranscriptSource = {
  parseEvent: (line) => [JSON.parse(line) as AgentEvent],
  capabilities: { plainOutput: false },
};

/** A line a reader may take for one of ours although an agent wrote it. */
function findForged(text: string, ours: RegExp): string | undefined {
  return text.split('\n').find((line) => line !== '' && !/^(?: {4}|>)/.test(line) && !ours.test(line));
}

// oxlint-disable-next-line no-control-regex -- what must not be there
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

test('a session of Claude Code is read as words, tools, results and an end', () => {
  const text = render(claude, readFileSync(new URL('start.jsonl', samples)));
  const parts = [
    '> I will create the file.',
    'Tool `Write`:',
    '    file_path: /srv/runs/w/v-cc/hello.txt',
    '    content: hello from scripted model',
    'Result:\n\n    File created successfully',
    'Tool `Bash`:',
    'Result:\n\n    loop-done',
    '> All done: hello.txt written and the loop finished.',
    '**Final result**',
  ];
  let at = 0;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    assert.ok(found >= 0, `${part} is missing after character ${at}:\n${text}`);
    at = found;
  }
  assert.ok(!text.includes('mcp_servers'), 'what the program tells of itself is no part of it');
});

test('however the bytes are cut, the text is the same', () => {
  const files = readdirSync(samples).filter((name) => name.endsWith('.jsonl'));
  assert.ok(files.length >= 5);
  const scenes = [
    ...files.map((name) => ({ source: claude, data: readFileSync(new URL(name, samples)) })),
    { source: exec, data: Buffer.from('one\n\ngrüße 🤖\r\n\x1b[31mred\x1b[0m\nno end') },
    { source: scripted, data: Buffer.from('plain\n{"holdfast":"progress","percent":4,"message":"x"}\nplain\n') },
    {
      source: direct,
      data: Buffer.from('{"kind":"text","text":"a","delta":true}\n{"kind":"text","text":"b\\nc","delta":true}\n'),
    },
  ];
  for (const { source, data } of scenes) {
    const whole = render(source, data);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }), (cuts) => {
        assert.equal(render(source, data, cuts), whole);
      }),
      { numRuns: 25 },
    );
  }
});

test('nothing a program prints is taken for a line of ours, and nothing acts on a terminal', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '```',
      '~~~',
      '## Attempt 9',
      '**Ended** with exit code 0.',
      '\x1b]0;title\x07',
      '\x1b[2J',
      '> ',
      '---',
    ),
    fc.constantFrom('\r', '\u202e', '\u009b2J', '\x9d0;x\x9c', '<!--', '\u2028# x', '    ', '\t', '===', '\x1b'),
  );
  const text = fc.array(nasty).map((pieces) => pieces.join('\n'));
  fc.assert(
    fc.property(text, (data) => {
      const printed = render(exec, data);
      assert.equal(findForged(printed, /^Output:$/), undefined);
      assert.ok(!CONTROL.test(printed), JSON.stringify(printed));
    }),
    { numRuns: 300 },
  );
  const event: fc.Arbitrary<AgentEvent> = fc.oneof(
    fc.record({ kind: fc.constant('text' as const), text, delta: fc.boolean() }),
    fc.record({ kind: fc.constant('tool-start' as const), id: text, name: text, input: fc.anything() }),
    fc.record({ kind: fc.constant('tool-end' as const), id: text, ok: fc.boolean(), result: text }),
    fc.record({ kind: fc.constant('final' as const), ok: fc.boolean(), text, reason: text }),
    fc.record({ kind: fc.constant('error' as const), fatal: fc.boolean(), message: text }),
    fc.record({ kind: fc.constant('progress' as const), percent: fc.constant(null), message: text }),
  );
  const ours =
    /^(?:Tool `[^`]*`:|Result:|The tool failed[.:]|\*\*Final result(?:: failed)?\*\*(?: \(.*\))?|Error:|Fatal error:|Progress: .*)$/;
  fc.assert(
    fc.property(fc.array(event), (events) => {
      const shown = render(direct, events.map((one) => `${JSON.stringify(one)}\n`).join(''));
      assert.equal(findForged(shown, ours), undefined);
      assert.ok(!CONTROL.test(shown));
    }),
    { numRuns: 300 },
  );
});

test('long lines, words, inputs and results are shortened, with what is left out', () => {
  const long = render(exec, `${'x'.repeat(100_000)}\n`);
  assert.ok(long.length < 2200, String(long.length));
  assert.match(long, /x … \[98000 characters left out\] … x/);
  const huge = render(exec, Buffer.alloc(9 * 2 ** 20, 'y'));
  assert.ok(huge.length < 2200);
  const result = render(
    direct,
    `${JSON.stringify({ kind: 'tool-end', id: '1', ok: true, result: 'z'.repeat(1e6) })}\n`,
  );
  assert.ok(result.length < 4200 && result.includes('left out'));
  assert.equal(shorten('abcdefgh', 4), 'abc … [4 characters left out] … h');
});

test('marks are made so that they hold', () => {
  assert.equal(quote('a\n\n```\n# b'), '> a\n>\n> ```\n> # b\n');
  assert.equal(indent('a\n\n```'), '    a\n\n    ```\n');
  assert.equal(inlineCode('a`b\nc'), "`a'b c`");
  assert.equal(neutralise('a\x1b[1;31mb\x1b]8;;http://x\x07c\x00\u202e'), 'abc␀<U+202E>');
});
