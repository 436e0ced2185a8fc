import { CommanderError, type Command } from 'commander';
import pc from 'picocolors';
import { ERRORS, fail, type HoldfastError } from '../kernel/errors.ts';
import { Runtime } from './command.ts';
import { findCommand, typedName } from './find-command.ts';
import { renderError, renderProblem, toHoldfastError } from './problem.ts';
import { buildProgram } from './program.ts';
import type { Shell } from './shell.ts';
import { wantsColour } from './terminal.ts';

/** Options of the whole program that take the next word. */
const WITH_VALUE = new Set(['--url', '--home']);

/** Runs one command line to its end and returns the exit code; everything it says goes through `shell`. */
export async function runCli(argv: readonly string[], shell: Shell): Promise<number> {
  const { words, tail } = splitTail(argv);
  const runtime = new Runtime(shell, tail);
  const program = buildProgram(runtime);
  try {
    if (words.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync(words, { from: 'user' });
    return runtime.exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // A group without its subcommand: commander has printed the help of the group.
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    const problem = nameCommand(toHoldfastError(error), findCommand(program, words));
    const given = (...names: string[]): boolean => names.some((name) => words.includes(name));
    const color = !given('--no-color');
    if (given('--json')) {
      shell.stderr.write(`${renderProblem(problem)}\n`);
    } else {
      const colours = pc.createColors(wantsColour({ env: shell.env, options: { color }, output: shell.stderr }));
      shell.stderr.write(`${renderError(problem, { colours, verbose: given('--verbose', '-v') })}\n`);
    }
    return problem.exit;
  }
}

/** A command line that is not valid is explained by the help of the command it was meant for. */
function nameCommand(problem: HoldfastError, command: Command): HoldfastError {
  if (problem.code !== 'bad-usage' || problem.hint !== ERRORS['bad-usage'].hint) return problem;
  const hint = `See \`${typedName(command)} --help\`.`;
  return fail('bad-usage', problem.detail, { hint, cause: problem.cause });
}

/**
 * Cuts the words after `--` off a `run`, because the parser would mix them with the prompt. Other commands keep theirs:
 * there `--` only ends the options.
 */
export function splitTail(argv: readonly string[]): { words: string[]; tail: string[] | null } {
  const end = argv.indexOf('--');
  if (end < 0 || findCommandName(argv.slice(0, end)) !== 'run') return { words: [...argv], tail: null };
  return { words: argv.slice(0, end), tail: argv.slice(end + 1) };
}

function findCommandName(words: readonly string[]): string | null {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (WITH_VALUE.has(word)) i += 1;
    else if (!word.startsWith('-')) return word;
  }
  return null;
}
