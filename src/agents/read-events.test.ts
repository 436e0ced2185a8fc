import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AgentEvent } from './adapter.ts';
import { createClaudeCodeAdapter } from './claude-code.ts';
import { createEventReader, MAX_LINE_BYTES, type EventReader } from './read-events.ts';
import { createScriptedAdapter } from './scripted.ts';
import { summarise } from './summary.ts';

const fixtures = new URL('../../test/fixtures/agents/claude-code/', import.meta.url);
const claude = createClaudeCodeAdapter();
const scripted = createScriptedAdapter();

/** All captured streams one after another, with blank lines, text of several bytes per character, and a torn end. */
function corpus(): Buffer {
  const names = readdirSync(fixtures).filter((name) => name.endsWith('.jsonl'));
  assert.ok(names.length >= 8);
  const streams = names.map((name) => readFileSync(new URL(name, fixtures), 'utf8'));
  const own = '{"holdfast":"progress","percent":7,"message":"größer 🚀"}\r\nplain ünïcode\n\n{"holdfast":"sess';
  return Buffer.from(streams.join('\n') + own);
}

function readIn(
  bytes: Uint8Array,
  cuts: number[],
  adapter = claude,
): { events: AgentEvent[]; seen: unknown; offset: number } {
  const reader = createEventReader(adapter);
  const ends = [...new Set(cuts)].toSorted((a, b) => a - b).concat(bytes.length);
  const events: AgentEvent[] = [];
  let from = 0;
  for (const end of ends) {
    // A copy that is overwritten afterwards: the reader must not keep the caller's buffer.
    const chunk = Uint8Array.from(bytes.subarray(from, end));
    events.push(...reader.push(chunk));
    chunk.fill(0x7b);
    from = end;
  }
  return { events, seen: reader.seen, offset: reader.offset };
}

test('the events do not depend on where the bytes are cut', () => {
  const bytes = corpus();
  for (const adapter of [claude, scripted]) {
    const whole = readIn(bytes, [], adapter);
    assert.ok(whole.events.length >= 40);
    assert.deepEqual(whole.seen, summarise(whole.events));
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 40 }), (cuts) => {
        assert.deepEqual(readIn(bytes, cuts, adapter), whole);
      }),
      { numRuns: 60 },
    );
    const single = Array.from({ length: 4000 }, (_, index) => index);
    assert.deepEqual(readIn(bytes, single, adapter), whole);
  }
});

const isFinal = (reader: EventReader): boolean | null => reader.seen.final?.ok ?? null;

test('a last line without its newline is never parsed', () => {
  const line = '{"holdfast":"final","ok":true}';
  const reader = createEventReader(scripted);
  assert.deepEqual(reader.push(Buffer.from(line)), []);
  assert.equal(isFinal(reader), null);
  assert.equal(reader.offset, 0);
  assert.equal(reader.push(Buffer.from('\n{"holdfast":"sess')).length, 1);
  assert.equal(isFinal(reader), true);
  assert.equal(reader.offset, line.length + 1);
});

test('a line beyond the limit is other, and the next one is read again', () => {
  const reader = createEventReader(scripted);
  const filler = Buffer.alloc(1024 * 1024, 'x');
  reader.push(Buffer.from('{"holdfast":"final","ok":true,"text":"'));
  const before = process.memoryUsage().arrayBuffers;
  for (let size = 0; size <= 4 * MAX_LINE_BYTES; size += filler.length) assert.deepEqual(reader.push(filler), []);
  assert.ok(process.memoryUsage().arrayBuffers - before < 3 * MAX_LINE_BYTES);
  assert.deepEqual(reader.push(Buffer.from('"}\n{"holdfast":"session","id":"s"}\n')), [
    { kind: 'other' },
    { kind: 'session', id: 's' },
  ]);
  assert.equal(isFinal(reader), null);
  const exact = `{"holdfast":"final","ok":true,"text":"${'y'.repeat(MAX_LINE_BYTES - 40)}"}`;
  assert.equal(Buffer.byteLength(exact), MAX_LINE_BYTES);
  reader.push(Buffer.from(`${exact}\n`));
  assert.equal(isFinal(reader), true);
});

test('the summary stays small whatever is said', () => {
  const reader = createEventReader(scripted);
  const long = 'z'.repeat(100_000);
  for (let index = 0; index < 300; index++) {
    const lines = [
      { holdfast: 'tool-start', id: `${index}${long}`, name: long, input: long },
      { holdfast: 'progress', percent: 1, message: long },
      { holdfast: 'error', message: long },
    ];
    reader.push(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
  }
  reader.push(Buffer.from(`${JSON.stringify({ holdfast: 'final', ok: false, reason: long, text: long })}\n`));
  assert.equal(reader.seen.openTools.length, 64);
  assert.ok(JSON.stringify(reader.seen).length < 64 * 1024);
});

test('the summary keeps what matters of a run', () => {
  const seen = summarise([
    { kind: 'session', id: 's1' },
    { kind: 'retry', attempt: 1, delayMs: 500, status: 529 },
    { kind: 'retry', attempt: 2, delayMs: 900 },
    { kind: 'tool-start', id: 'a', name: 'Bash' },
    { kind: 'tool-start', id: 'b', name: 'Read' },
    { kind: 'tool-end', id: 'a', ok: true },
    { kind: 'text', text: 'Hel', delta: true },
    { kind: 'text', text: 'lo', delta: true },
    { kind: 'usage', input: 10, output: 2, costUsd: 0.5 },
    { kind: 'usage', input: 1, output: 1 },
    { kind: 'progress', percent: 50, message: 'half' },
    { kind: 'error', fatal: false, message: 'hm' },
  ]);
  assert.deepEqual(seen, {
    sessionId: 's1',
    final: null,
    lastError: { fatal: false, message: 'hm' },
    lastRetry: null,
    retries: 2,
    openTools: [{ id: 'b', name: 'Read' }],
    usage: { input: 11, output: 3, costUsd: 0.5 },
    progress: { percent: 50, message: 'half' },
    lastText: 'Hello',
  });
  const waiting = summarise([{ kind: 'retry', attempt: 3, delayMs: 9 }]);
  assert.deepEqual(waiting.lastRetry, { attempt: 3, delayMs: 9, status: null });
});

test('no line makes a parser throw', () => {
  for (const adapter of [claude, scripted]) {
    const kinds = fc.constantFrom('assistant', 'user', 'system', 'result', 'final', 'session', 'tool-start', 'retry');
    const shapes = fc.record({
      holdfast: fc.oneof(kinds, fc.jsonValue()),
      type: fc.oneof(kinds, fc.jsonValue()),
      subtype: fc.constantFrom('init', 'api_retry', null),
      message: fc.oneof(fc.record({ content: fc.jsonValue() }), fc.jsonValue()),
      usage: fc.jsonValue(),
      errors: fc.jsonValue(),
      id: fc.jsonValue(),
      model_usage_since_last_result: fc.jsonValue(),
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          shapes.map((shape) => JSON.stringify(shape)),
        ),
        (line) => {
          for (const event of adapter.parseEvent(line)) assert.equal(typeof event.kind, 'string');
        },
      ),
    );
  }
});
