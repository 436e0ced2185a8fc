import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import type { Launch } from './adapter.ts';
import { createExecAdapter } from './exec.ts';
import { emptySummary } from './summary.ts';

const exec = createExecAdapter();
const launch = (command: string[] | null): Launch => ({
  prompt: '',
  command,
  cwd: '/w',
  home: '/h',
  sessionId: null,
  settings: { env: { SECRET: 'x' } },
});

test('exec runs the argv it is given, word for word, and hands no secret on', () => {
  const command = ['sh', '-c', 'echo "$1"', 'sh', '{prompt}', ''];
  exec.validate({ prompt: '', command });
  assert.deepEqual(exec.command(launch(command)), { argv: command, env: {}, files: [] });
});

test('exec restarts from scratch and has nothing to resume', () => {
  const { resume, restartsFromScratch, mergeStderr, requiresFinalEvent } = exec.capabilities;
  assert.deepEqual([resume, restartsFromScratch, mergeStderr, requiresFinalEvent], [false, true, true, false]);
  assert.throws(() => exec.resumeCommand({ ...launch(['x']), sessionId: 's', continuation: 'go' as never }));
});

test('exec refuses a job without a command it could execute', () => {
  for (const command of [null, [], [''], ['a', 'b\0c'], ['echo', 'x'.repeat(131_072)]]) {
    assert.throws(
      () => exec.validate({ prompt: 'p', command }),
      (error) => isError(error, 'bad-request'),
      JSON.stringify(command)?.slice(0, 40),
    );
  }
});

test('nothing a command prints changes its outcome', () => {
  for (const line of ['{"type":"result","is_error":false}', '{"holdfast":"final","ok":true}']) {
    assert.deepEqual(exec.parseEvent(line), []);
  }
  const exit = { code: 3, signal: null, stoppedBy: null };
  assert.equal(exec.outcome(emptySummary(), exit), 'agent-error');
  assert.equal(exec.outcome(emptySummary(), { ...exit, code: 0 }), 'success');
  assert.equal(exec.outcome(emptySummary(), { ...exit, code: 143 }), 'interrupted');
  assert.equal(exec.outcome(emptySummary(), 'unknown'), 'interrupted');
});
