import type { Command } from 'commander';

/** Returns the subcommand of this name or alias, or null. */
function findSubcommand(command: Command, name: string): Command | null {
  return command.commands.find((one) => one.name() === name || one.aliases().includes(name)) ?? null;
}

/** Returns the option a word names (`--repo`, `-f`, `--repo=demo`), looked for in the command and those above it. */
export function findOption(command: Command | null, word: string): Command['options'][number] | null {
  const [flag] = word.split('=');
  for (let at = command; at !== null; at = at.parent) {
    const option = at.options.find((one) => one.long === flag || one.short === flag);
    if (option !== undefined) return option;
  }
  return null;
}

/** Whether a word is an option whose value is the next word. */
function takesNextWord(command: Command, word: string): boolean {
  const option = findOption(command, word);
  return option !== null && (option.required || option.optional) && !word.includes('=');
}

/** Returns the command that the words name, as far as they name one: the program itself when they name none. */
export function findCommand(program: Command, words: readonly string[]): Command {
  let command = program;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word.startsWith('-')) {
      if (takesNextWord(command, word)) i += 1;
      continue;
    }
    const next = findSubcommand(command, word);
    if (next === null) return command;
    command = next;
  }
  return command;
}

/** Returns a command as it is typed: `holdfast callbacks secret`. */
export function typedName(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${typedName(parent)} ${command.name()}`;
}
