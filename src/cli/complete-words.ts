import type { Command } from 'commander';
import { findCommand, findOption } from './find-command.ts';

/** A word that may stand where the cursor is. */
export interface Candidate {
  word: string;
  about: string;
}

/**
 * Returns what may follow, worked out from the program itself, so that no second list can lag behind it. `words` are those
 * after the name of the program, the one under the cursor last; [] leaves the shell to its own, which is file names.
 */
export function completeWords(program: Command, words: readonly string[]): Candidate[] {
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  // What follows -- is the command of somebody else.
  if (before.includes('--')) return [];
  return listCandidates(findCommand(program, before), { before, last }).filter(({ word }) => word.startsWith(last));
}

function listCandidates(command: Command, { before, last }: { before: string[]; last: string }): Candidate[] {
  const option = findOption(command, before.at(-1) ?? '');
  if (option !== null && option.required) return (option.argChoices ?? []).map((word) => ({ word, about: '' }));
  const help = command.createHelp();
  if (last.startsWith('-')) {
    const known = new Map<string, string>();
    for (let at: Command | null = command; at !== null; at = at.parent) {
      for (const { long, short, description } of help.visibleOptions(at)) {
        const word = long ?? short ?? '';
        if (!known.has(word)) known.set(word, description);
      }
    }
    return [...known].map(([word, about]) => ({ word, about }));
  }
  if (command.commands.length > 0) {
    return help
      .visibleCommands(command)
      .map((one) => ({ word: one.name(), about: one.summary() || one.description() }));
  }
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  return choices.map((word) => ({ word, about: '' }));
}
