import { join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import type { AgentAdapter, AgentEvent, Invocation } from './adapter.ts';
import { outcomeByCode } from './outcome.ts';
import { checkCommand, checkPrompt, refuseCommand } from './prompt.ts';

/** What every plain command has in common, whatever argv it is. */
const plain = {
  capabilities: {
    assignSessionId: false,
    resume: false,
    requiresFinalEvent: false,
    mergeStderr: true,
    restartsFromScratch: true,
    plainOutput: true,
  },
  resumeCommand: (): Invocation => {
    throw fail('internal', 'a plain command has no session to resume');
  },
  parseEvent: (): AgentEvent[] => [],
  outcome: (_seen, exit) => outcomeByCode(exit),
} as const satisfies Partial<AgentAdapter>;

/** Agent `exec`: runs the argv of the job, or the one its repository configures (the caller passes either). */
export function createExecAdapter(): AgentAdapter {
  return {
    ...plain,
    id: 'exec',
    versionCommand: () => null,
    validate: ({ command }) => {
      if (command === null) {
        throw fail('bad-request', 'agent exec needs a command', {
          hint: 'Give one after `--`, or configure one for the repository.',
        });
      }
      checkCommand(command);
    },
    command: ({ command }) => {
      if (command === null) throw fail('internal', 'agent exec was started without a command');
      return { argv: command, env: {}, files: [] };
    },
  };
}

/** Where `{promptFile}` of a configured command lies, relative to the agent's HOME. */
const PROMPT_FILE = '.holdfast-prompt.md';

/**
 * An agent of the operator's own: a configured argv in which the argument `{prompt}` becomes the prompt and
 * `{promptFile}` the absolute path of a file that holds it. Whole arguments only, so that a prompt is never part of a
 * shell line; jobs bring a prompt and no command.
 */
export function createCommandAdapter(name: string, template: readonly string[]): AgentAdapter {
  return {
    ...plain,
    id: name,
    versionCommand: () => null,
    validate: ({ prompt, command }) => {
      refuseCommand(name, command);
      checkPrompt(prompt);
      checkCommand(template.map((word) => (word === '{prompt}' ? prompt : word)));
    },
    command: ({ prompt, home }) => {
      const values = new Map([
        ['{prompt}', prompt],
        ['{promptFile}', join(home, PROMPT_FILE)],
      ]);
      const files = template.includes('{promptFile}') ? [{ path: PROMPT_FILE, content: prompt }] : [];
      return { argv: template.map((word) => values.get(word) ?? word), env: {}, files };
    },
  };
}
