import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AgentEvent, AgentExit } from './adapter.ts';
import { endedBySignal, outcomeByCode, outcomeByFinal } from './outcome.ts';
import { summarise } from './summary.ts';

const exited = (code: number | null, signal: string | null = null, stoppedBy: string | null = null): AgentExit => ({
  code,
  signal,
  stoppedBy,
});
const done: AgentEvent = { kind: 'final', ok: true };
const failed: AgentEvent = { kind: 'final', ok: false, reason: 'no' };
const because = (cause: 'api' | 'interrupted' | 'unresumable'): AgentEvent => ({ kind: 'final', ok: false, cause });

test('a plain command succeeds with code 0 only', () => {
  const rows: [AgentExit, string][] = [
    [exited(0), 'success'],
    [exited(1), 'agent-error'],
    [exited(7), 'agent-error'],
    [exited(128), 'agent-error'],
    [exited(129), 'interrupted'],
    [exited(130), 'interrupted'],
    [exited(137), 'interrupted'],
    [exited(143), 'interrupted'],
    [exited(144), 'agent-error'],
    [exited(200), 'agent-error'],
    [exited(255), 'agent-error'],
    [exited(null, 'SIGTERM'), 'interrupted'],
    [exited(null, 'SIGKILL'), 'interrupted'],
    [exited(0, null, 'wall'), 'interrupted'],
    [exited(1, null, 'host'), 'interrupted'],
    ['unknown', 'interrupted'],
  ];
  for (const [exit, outcome] of rows) assert.equal(outcomeByCode(exit), outcome, JSON.stringify(exit));
});

test('the final event decides and the exit only confirms', () => {
  const rows: [AgentEvent[], AgentExit, string][] = [
    [[done], exited(0), 'success'],
    [[done], 'unknown', 'success'],
    [[done], exited(0, null, 'stop'), 'success'],
    [[done], exited(1), 'agent-error'],
    [[done], exited(143), 'interrupted'],
    [[done], exited(null, 'SIGKILL'), 'interrupted'],
    [[], exited(0), 'interrupted'],
    [[], 'unknown', 'interrupted'],
    [[], exited(1), 'agent-error'],
    [[], exited(143), 'interrupted'],
    [[], exited(null, 'SIGKILL'), 'interrupted'],
    [[], exited(1, null, 'host'), 'interrupted'],
    [[failed], exited(1), 'agent-error'],
    [[failed], exited(0), 'agent-error'],
    [[failed], 'unknown', 'agent-error'],
    [[failed], exited(137), 'interrupted'],
    [[because('interrupted')], exited(0), 'interrupted'],
    [[because('api')], exited(1), 'api-error'],
    [[because('api')], exited(144), 'api-error'],
    [[because('api')], 'unknown', 'api-error'],
    [[because('unresumable')], exited(1), 'unresumable'],
    [[because('unresumable')], 'unknown', 'unresumable'],
    [[done, { kind: 'text', text: 'one more thing' }], exited(0), 'interrupted'],
    [[done, { kind: 'tool-start', id: 't', name: 'Bash' }], 'unknown', 'interrupted'],
    [[done, { kind: 'text', text: 'one more thing' }, failed], exited(1), 'agent-error'],
  ];
  for (const [events, exit, outcome] of rows) {
    assert.equal(outcomeByFinal(summarise(events), exit), outcome, JSON.stringify([events, exit]));
  }
});

test('nothing but an ok final event with code 0 or no known exit is a success', () => {
  const final = fc.constantFrom(done, failed, because('api'), because('interrupted'), because('unresumable'));
  const exit = fc.oneof(
    fc.constant<AgentExit>('unknown'),
    fc.record({
      code: fc.option(fc.integer({ min: 0, max: 255 })),
      signal: fc.option(fc.constantFrom('SIGTERM', 'SIGKILL', 'SIGINT')),
      stoppedBy: fc.option(fc.constantFrom('wall', 'idle', 'output', 'stop', 'host')),
    }),
  );
  fc.assert(
    fc.property(fc.option(final), exit, (event, end) => {
      const outcome = outcomeByFinal(summarise(event === null ? [] : [event]), end);
      const may = event === done && (end === 'unknown' || end.code === 0);
      assert.equal(outcome === 'success', may);
    }),
  );
});

test('only numbers of real signals are read as 128 + signal', () => {
  const codes = Array.from({ length: 256 }, (_, code) => code).filter((code) => endedBySignal({ code, signal: null }));
  assert.equal(codes.at(0), 129);
  assert.equal(codes.at(-1), 159);
  assert.ok(!codes.includes(144));
});
