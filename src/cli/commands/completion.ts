import { Argument, type Command } from 'commander';
import type { Runtime } from '../command.ts';
import { completeWords } from '../complete-words.ts';

/** What the scripts call with the words so far; the one under the cursor is the last. */
const ASK = '__complete';

/** What each shell needs to ask the program itself; where it has no answer they offer file names. */
const SCRIPTS = {
  bash: `_holdfast() {
  local IFS=$'\\n' words
  words=$("\${COMP_WORDS[0]}" ${ASK} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1)
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _holdfast holdfast
`,
  zsh: `#compdef holdfast
_holdfast() {
  local line
  local -a found
  for line in "\${(@f)$("\${words[1]}" ${ASK} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#found} )); then _describe holdfast found; else _files; fi
}
compdef _holdfast holdfast
`,
  fish: `complete -c holdfast -a '(holdfast ${ASK} -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
} as const;

/** Adds `completion`: the script that lets a shell complete commands, options and their values. */
export function registerCompletion(program: Command, runtime: Runtime): void {
  const shells = Object.keys(SCRIPTS);
  const command = program
    .command('completion')
    .summary('print a script for tab completion')
    .description(
      'Print a script that lets your shell complete commands, options and their values:\n' +
        '  bash: source <(holdfast completion bash), in ~/.bashrc\n' +
        '  zsh:  source <(holdfast completion zsh), in ~/.zshrc after compinit\n' +
        '  fish: holdfast completion fish > ~/.config/fish/completions/holdfast.fish',
    )
    .addArgument(new Argument('<shell>').choices(shells));
  runtime.handle(command, ({ terminal, args: [shell] }) => terminal.data(SCRIPTS[shell as keyof typeof SCRIPTS]));
  const ask = program.command(ASK, { hidden: true }).argument('[words...]');
  runtime.handle(ask, async ({ terminal, args }) => {
    const lines = completeWords(program, args).map(({ word, about }) => `${word}\t${about.split('\n')[0] ?? ''}\n`);
    await terminal.data(lines.join(''));
  });
}
