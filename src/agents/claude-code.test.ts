import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import type { AgentEvent, AgentExit, Launch, Summary } from './adapter.ts';
import { createClaudeCodeAdapter } from './claude-code.ts';
import { nonEmpty } from './continuation.ts';
import { createEventReader } from './read-events.ts';
import { emptySummary } from './summary.ts';

// Streams of Claude Code 2.1.329 against a scripted model, captured byte for byte; only paths were replaced.
const fixtures = new URL('../../test/fixtures/agents/claude-code/', import.meta.url);
const claude = createClaudeCodeAdapter({ uid: 1000 });
const sessionId = 'db54ddae-54be-4319-85c1-fbdd1876da36';
const launch: Launch = { prompt: 'Fix it', command: null, cwd: '/w', home: '/h', sessionId, settings: {} };

function read(name: string): { events: AgentEvent[]; seen: Summary } {
  const reader = createEventReader(claude);
  const events = reader.push(readFileSync(new URL(`${name}.jsonl`, fixtures)));
  return { events: events.filter((event) => event.kind !== 'other'), seen: reader.seen };
}

const exited = (code: number | null, signal: string | null = null, stderr = ''): AgentExit => ({
  code,
  signal,
  stoppedBy: null,
  stderr,
});

test('the start is the measured command line, with the prompt where it cannot be an option', () => {
  const { argv, env, files } = claude.command({ ...launch, prompt: '--version', trusted: true });
  const start = ['claude', '-p', '--session-id', sessionId, '--output-format', 'stream-json', '--verbose'];
  assert.deepEqual(argv, [...start, '--dangerously-skip-permissions', '--', '--version']);
  assert.deepEqual(env, {
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  });
  assert.deepEqual(files, []);
});

test('a resume names the session and says something', () => {
  const { argv } = claude.resumeCommand({ ...launch, sessionId, continuation: nonEmpty('continue'), trusted: true });
  assert.deepEqual(argv.slice(1, 4), ['-p', '--resume', sessionId]);
  assert.deepEqual(argv.slice(-2), ['--', 'continue']);
});

test('what an untrusted repository ships for the agent does not act', () => {
  const { argv, env } = claude.command(launch);
  const flags = argv.slice(0, argv.indexOf('--'));
  assert.deepEqual(flags.slice(-5), ['--setting-sources', 'user', '--strict-mcp-config', '--add-dir', '/w']);
  assert.equal(env['CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD'], '1');
});

test('settings choose command and model, and their variables stay out of the invocation', () => {
  const settings = { command: ['node', '/opt/cli.js'], model: 'opus', env: { ANTHROPIC_API_KEY: 'secret' } };
  const invocation = claude.command({ ...launch, settings });
  assert.deepEqual(invocation.argv.slice(0, 3), ['node', '/opt/cli.js', '-p']);
  assert.equal(invocation.argv[invocation.argv.indexOf('--model') + 1], 'opus');
  assert.doesNotMatch(JSON.stringify(invocation), /secret/);
  assert.deepEqual(claude.versionCommand(settings), ['node', '/opt/cli.js', '--version']);
  assert.deepEqual(claude.versionCommand({}), ['claude', '--version']);
});

test('root is told to be contained, nobody else', () => {
  assert.equal(createClaudeCodeAdapter({ uid: 0 }).command(launch).env['IS_SANDBOX'], '1');
  assert.equal('IS_SANDBOX' in claude.command(launch).env, false);
});

test('a prompt too long for one argument goes through a file', () => {
  const prompt = 'ä'.repeat(200_000);
  const { argv, files } = claude.command({ ...launch, prompt });
  assert.deepEqual(files, [{ path: '.holdfast-prompt.md', content: prompt }]);
  assert.match(argv.at(-1) ?? '', /\/h\/\.holdfast-prompt\.md/);
});

test('a job it cannot take is refused', () => {
  claude.validate({ prompt: 'x', command: null });
  const rows = [
    ['bad-prompt', { prompt: ' \n', command: null }],
    ['bad-prompt', { prompt: 'a\0b', command: null }],
    ['bad-prompt', { prompt: 'x'.repeat(2 ** 20 + 1), command: null }],
    ['bad-request', { prompt: 'x', command: ['ls'] }],
  ] as const;
  for (const [code, { prompt, command }] of rows) {
    assert.throws(
      () => claude.validate({ prompt, command: command === null ? null : [...command] }),
      (error) => isError(error, code),
    );
  }
  for (const bad of [null, 'abc', '../../x', `${sessionId}x`]) {
    assert.throws(() => claude.command({ ...launch, sessionId: bad }));
  }
});

test('a whole run is read: session, text, tools, usage, final', () => {
  const { events, seen } = read('start');
  assert.deepEqual(
    events.map((event) => event.kind),
    ['session', 'text', 'tool-start', 'tool-end', 'tool-start', 'tool-end', 'text', 'usage', 'final'],
  );
  assert.equal(seen.sessionId, sessionId);
  assert.deepEqual(seen.final, {
    ok: true,
    text: 'All done: hello.txt written and the loop finished.',
    reason: 'completed',
    cause: null,
  });
  assert.deepEqual(seen.openTools, []);
  assert.equal(seen.usage.input, 37_733);
  assert.equal(seen.usage.output, 67);
});

test('the cost of a resumed run is its own, not that of the session', () => {
  const first = read('start').seen.usage.costUsd ?? 0;
  const resumed = read('resume').seen.usage.costUsd ?? 0;
  assert.ok(Math.abs(resumed - 0.102872) < 1e-9, String(resumed));
  assert.ok(Math.abs(first + resumed - 0.255144) < 1e-9);
});

test('the tool that was running at the end is known', () => {
  assert.deepEqual(
    read('kill9').seen.openTools.map((tool) => tool.name),
    ['Bash'],
  );
});

test('retries are shown until the model answers', () => {
  const { events, seen } = read('api-retry');
  assert.deepEqual(
    events.filter((event) => event.kind === 'retry'),
    [
      { kind: 'retry', attempt: 1, delayMs: 507, status: 529 },
      { kind: 'retry', attempt: 2, delayMs: 1199, status: 529 },
    ],
  );
  assert.equal(seen.retries, 2);
  assert.equal(seen.lastRetry, null);
});

test('every captured ending has its outcome', () => {
  const rows: [string, AgentExit, string][] = [
    ['start', exited(0), 'success'],
    ['start', 'unknown', 'success'],
    ['start', exited(1), 'agent-error'],
    ['resume', exited(0), 'success'],
    ['api-retry', exited(0), 'success'],
    ['sigterm', exited(143), 'interrupted'],
    ['sigint', exited(0), 'interrupted'],
    ['kill9', exited(null, 'SIGKILL'), 'interrupted'],
    ['kill9', exited(137), 'interrupted'],
    ['kill9', 'unknown', 'interrupted'],
    ['api-error', exited(1), 'api-error'],
    ['api-error', 'unknown', 'api-error'],
    ['unknown-session', exited(1), 'unresumable'],
  ];
  for (const [name, exit, outcome] of rows) {
    assert.equal(claude.outcome(read(name).seen, exit), outcome, `${name} ${JSON.stringify(exit)}`);
  }
  assert.match(read('api-error').seen.final?.reason ?? '', /api_error: API Error: 400/);
});

test('an id that was used before is refused on stderr only, and means a cold start', () => {
  const stderr = readFileSync(new URL('session-in-use.stderr', fixtures), 'utf8');
  assert.equal(claude.outcome(emptySummary(), exited(1, null, stderr)), 'unresumable');
  assert.equal(claude.outcome(emptySummary(), exited(1, null, 'Error: no such option')), 'agent-error');
  assert.equal(claude.outcome(read('start').seen, exited(0, null, stderr)), 'success');
});

test('is_error decides, not the subtype, and the order of keys means nothing', () => {
  const lines = ['{"is_error":true,"subtype":"success","type":"result"}', '{"type":"result","subtype":"success"}'];
  for (const line of lines) {
    const final = claude.parseEvent(line).find((event) => event.kind === 'final');
    assert.equal(final?.ok, false, line);
  }
});
