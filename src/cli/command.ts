import type { Command } from 'commander';
import { makeContext, type Context, type GlobalOptions, type Shell } from './shell.ts';

/** What all commands of one call share. */
export interface Runtime {
  shell: Shell;
  /** Words after `--` of `run`, else null. */
  tail: string[] | null;
  /** Set by the command that ran. */
  exit: number;
}

/** What a command does: returns its exit code, or nothing for 0. */
export type Body<O> = (context: Context, args: string[], options: O) => Promise<number | void>;

/** Gives `command` its body: builds the context from the options of the whole line and keeps the exit code. */
export function setAction<O extends object>(command: Command, runtime: Runtime, body: Body<O>): Command {
  return command.action(async () => {
    const options = command.optsWithGlobals<O & GlobalOptions>();
    const context = makeContext({ shell: runtime.shell, options, tail: runtime.tail });
    try {
      runtime.exit = (await body(context, command.args, options)) ?? 0;
    } finally {
      context.terminal.live(null);
    }
  });
}
