import type { Command } from 'commander';
import { makeContext, type Context, type GlobalOptions, type Shell } from './shell.ts';

/** What a command works with: the context, its own words, and the options of the whole line. */
export type Call<O extends object = object> = Omit<Context, 'options'> & {
  args: string[];
  options: O & GlobalOptions;
};

/** What all commands of one command line share. */
export class Runtime {
  readonly shell: Shell;
  /** Words after `--` of `run`, else null. */
  readonly tail: string[] | null;
  /** Exit code of the command that ran. */
  exit = 0;

  constructor(shell: Shell, tail: string[] | null) {
    this.shell = shell;
    this.tail = tail;
  }

  /** Gives `command` its body, which returns an exit code, or nothing for 0. */
  handle<O extends object>(command: Command, body: (call: Call<O>) => Promise<number | void>): void {
    command.action(async () => {
      const options = command.optsWithGlobals<O & GlobalOptions>();
      const context = makeContext({ shell: this.shell, options, tail: this.tail });
      try {
        this.exit = (await body({ ...context, options, args: command.args })) ?? 0;
      } finally {
        context.terminal.live(null);
      }
    });
  }
}
