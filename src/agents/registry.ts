/**
 * The agents room: what Holdfast knows of agent command lines. It builds argument lists, reads the agents' own events
 * and says what they amount to. It may import kernel and lifecycle only, starts no process, reads no environment, and
 * touches no state; the program of agent `scripted` (scripted-agent.ts) lies here but is a process of its own.
 */
import { fail } from '../kernel/errors.ts';
import type { AgentAdapter, AgentSettings } from './adapter.ts';
import { createClaudeCodeAdapter } from './claude-code.ts';
import { createCommandAdapter, createExecAdapter } from './exec.ts';
import { checkCommand } from './prompt.ts';
import { createScriptedAdapter } from './scripted.ts';

export interface AgentRegistry {
  /** Throws `unknown-agent` that names the known ones. */
  get: (name: string) => AgentAdapter;
  /** Names of all agents, built-in ones first. */
  names: () => string[];
  /** What the configuration says of this agent, `{}` when nothing. Throws `unknown-agent`. */
  settings: (name: string) => AgentSettings;
}

/**
 * Returns the agents of a configuration. `exec`, `scripted` and `claude-code` always exist; `agents.<name>` of one of
 * these only adds settings (its `adapter` cannot be changed). Any other name is an agent of the operator's own and
 * needs a `command`; its `adapter` says how it is driven: `exec` (the default: the command with `{prompt}` or
 * `{promptFile}` among its arguments, exit code 0 is success) or `claude-code` (another build or wrapper of it).
 * Throws `bad-config` that names the key.
 */
export function createAgents(settings: Readonly<Record<string, AgentSettings>>): AgentRegistry {
  const adapters = new Map<string, AgentAdapter>(
    [createExecAdapter(), createScriptedAdapter(), createClaudeCodeAdapter()].map((adapter) => [adapter.id, adapter]),
  );
  const builtIn = [...adapters.keys()];
  const configured = new Map(Object.entries(settings));
  for (const [name, own] of configured) {
    if (own.command !== undefined) checkConfigured(name, own.command);
    if (name === 'exec' && own.command !== undefined) {
      throw fail('bad-config', 'agents.exec.command: commands come from the job, or belong to a repository');
    }
    if (!builtIn.includes(name)) adapters.set(name, createCustomAdapter(name, own));
    else if (own.adapter !== undefined && own.adapter !== name) {
      throw fail('bad-config', `agents.${name}.adapter: "${name}" is built in and cannot be driven as ${own.adapter}`);
    }
  }
  const get = (name: string): AgentAdapter => {
    const adapter = adapters.get(name);
    if (adapter !== undefined) return adapter;
    throw fail('unknown-agent', `there is no agent "${name}"; known are ${[...adapters.keys()].join(', ')}`);
  };
  return {
    get,
    names: () => [...adapters.keys()],
    settings: (name) => configured.get(get(name).id) ?? {},
  };
}

function createCustomAdapter(name: string, settings: AgentSettings): AgentAdapter {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/i.test(name)) {
    throw fail(
      'bad-config',
      `agents.${name}: use letters, digits, dots, dashes and underscores; at most 64 characters`,
    );
  }
  const { adapter = 'exec', command } = settings;
  if (command === undefined) {
    throw fail('bad-config', `agents.${name}.command: an agent that is not built in needs a command`);
  }
  if (adapter === 'claude-code') return createClaudeCodeAdapter({ id: name, command });
  if (!command.some((word) => word === '{prompt}' || word === '{promptFile}')) {
    throw fail('bad-config', `agents.${name}.command: no argument is {prompt} or {promptFile}`);
  }
  return createCommandAdapter(name, command);
}

function checkConfigured(name: string, command: string[]): void {
  try {
    checkCommand(command);
  } catch (error) {
    throw fail('bad-config', `agents.${name}.command: it cannot be executed`, { cause: error });
  }
}
