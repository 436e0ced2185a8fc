import { fail } from '../kernel/errors.ts';
import { MAX_PROMPT_BYTES } from '../lifecycle/job.ts';

/** Longest single argument handed to a process; Linux refuses 128 KiB (MAX_ARG_STRLEN), NUL included. */
export const MAX_ARGUMENT_BYTES = 96 * 1024;

/** Refuses with `bad-prompt` what no agent can be given: nothing but blanks, a NUL character, or more than 1 MiB. */
export function checkPrompt(prompt: string): void {
  if (prompt.trim() === '') throw fail('bad-prompt', 'the prompt is empty');
  if (prompt.includes('\0')) throw fail('bad-prompt', 'the prompt contains a NUL character');
  const bytes = Buffer.byteLength(prompt);
  if (bytes > MAX_PROMPT_BYTES) throw fail('bad-prompt', `the prompt has ${bytes} bytes`);
}

/** Refuses with `bad-request` an argv that cannot be executed: empty, without a name, with NUL, or too long. */
export function checkCommand(command: readonly string[]): void {
  if (command.length === 0 || command[0] === '') throw fail('bad-request', 'the command is empty');
  for (const [index, argument] of command.entries()) {
    if (argument.includes('\0')) throw fail('bad-request', `argument ${index} of the command contains a NUL character`);
    if (Buffer.byteLength(argument) > MAX_ARGUMENT_BYTES) {
      throw fail('bad-request', `argument ${index} of the command is longer than ${MAX_ARGUMENT_BYTES} bytes`);
    }
  }
}

/** Refuses with `bad-request` a command given to an agent that takes a prompt. */
export function refuseCommand(agent: string, command: string[] | null): void {
  if (command !== null) throw fail('bad-request', `agent ${agent} takes a prompt, not a command`);
}
