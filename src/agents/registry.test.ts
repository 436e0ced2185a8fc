import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import type { AgentSettings, Launch } from './adapter.ts';
import { createAgents } from './registry.ts';

const launch = (over: Partial<Launch> = {}): Launch => ({
  prompt: 'do it',
  command: null,
  cwd: '/jobs/1/workspace',
  home: '/jobs/1/home',
  sessionId: null,
  settings: {},
  ...over,
});

function refuses(settings: Record<string, AgentSettings>, pattern: RegExp): void {
  assert.throws(
    () => createAgents(settings),
    (error) => isError(error, 'bad-config') && pattern.test(error.detail),
  );
}

test('the built-in agents are there without configuration', () => {
  const agents = createAgents({});
  assert.deepEqual(agents.names(), ['exec', 'scripted', 'claude-code']);
  for (const name of agents.names()) assert.equal(agents.get(name).id, name);
  assert.deepEqual(agents.settings('exec'), {});
});

test('an unknown agent is refused with the known names', () => {
  const agents = createAgents({ mine: { command: ['mine', '{prompt}'] } });
  for (const name of ['codex', '__proto__', 'constructor', '']) {
    for (const ask of [agents.get, agents.settings]) {
      assert.throws(
        () => ask(name),
        (error) => isError(error, 'unknown-agent') && /exec, scripted, claude-code, mine/.test(error.detail),
      );
    }
  }
});

test('settings of a built-in agent are kept and cannot change how it is driven', () => {
  const settings = { env: { ANTHROPIC_API_KEY: 'k' }, model: 'm' };
  assert.equal(createAgents({ 'claude-code': settings }).settings('claude-code'), settings);
  createAgents({ 'claude-code': { adapter: 'claude-code', command: ['/opt/claude'] } });
  refuses({ 'claude-code': { adapter: 'exec' } }, /^agents\.claude-code\.adapter/);
  refuses({ exec: { command: ['make'] } }, /^agents\.exec\.command/);
});

test('a command of the operator is an agent that puts the prompt where it is asked to', () => {
  const agents = createAgents({
    inline: { command: ['tool', '--ask', '{prompt}'] },
    file: { adapter: 'exec', command: ['tool', '{promptFile}', 'a{prompt}b'] },
  });
  const prompt = '$(rm -rf /); --flag';
  const inline = agents.get('inline');
  assert.equal(inline.id, 'inline');
  inline.validate({ prompt, command: null });
  assert.deepEqual(inline.command(launch({ prompt })), { argv: ['tool', '--ask', prompt], env: {}, files: [] });
  const invocation = agents.get('file').command(launch({ prompt }));
  assert.deepEqual(invocation.argv, ['tool', '/jobs/1/home/.holdfast-prompt.md', 'a{prompt}b']);
  assert.deepEqual(invocation.files, [{ path: '.holdfast-prompt.md', content: prompt }]);
  assert.throws(
    () => inline.validate({ prompt, command: ['ls'] }),
    (error) => isError(error, 'bad-request'),
  );
  assert.throws(
    () => inline.validate({ prompt: 'x'.repeat(200_000), command: null }),
    (error) => isError(error, 'bad-request'),
  );
  agents.get('file').validate({ prompt: 'x'.repeat(200_000), command: null });
});

test('another build of Claude Code is driven like it, under its own name', () => {
  const agents = createAgents({ nightly: { adapter: 'claude-code', command: ['nice', '/opt/nightly'] } });
  const adapter = agents.get('nightly');
  assert.equal(adapter.id, 'nightly');
  const sessionId = '11111111-1111-4111-8111-111111111111';
  const { argv } = adapter.command(launch({ sessionId, settings: agents.settings('nightly') }));
  assert.deepEqual(argv.slice(0, 5), ['nice', '/opt/nightly', '-p', '--session-id', sessionId]);
});

test('what cannot work is refused when the configuration is read', () => {
  refuses({ mine: {} }, /^agents\.mine\.command/);
  refuses({ mine: { command: [] } }, /^agents\.mine\.command/);
  refuses({ mine: { command: ['tool'] } }, /\{prompt\}/);
  refuses({ 'a b': { command: ['tool', '{prompt}'] } }, /letters, digits/);
});
