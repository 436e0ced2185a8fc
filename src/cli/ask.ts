import { createInterface } from 'node:readline/promises';
import { addAbortSignal } from 'node:stream';
import { fail } from '../kernel/errors.ts';
import type { Context } from './shell.ts';

/**
 * Asks before something that cannot be undone. `--yes` answers; without a terminal, with `--json` or `--no-input` there
 * is nobody to ask, so it refuses and names the flag.
 */
export async function confirm(context: Context, question: string): Promise<void> {
  const { options, shell } = context;
  if (options.yes === true) return;
  if (options.json === true || options.input === false || shell.stdin.isTTY !== true || shell.stderr.isTTY !== true) {
    throw fail('bad-usage', `"${question}" needs an answer, and there is no terminal to ask on`, {
      hint: 'Add --yes.',
    });
  }
  const reader = createInterface({ input: shell.stdin, output: shell.stderr });
  try {
    const answer = await reader.question(`${question} [y/N] `, { signal: shell.interrupted });
    if (!/^y(es)?$/i.test(answer.trim())) throw fail('interrupted', 'nothing was done');
  } finally {
    reader.close();
  }
}

/** Returns all of stdin as text. Throws `bad-prompt` beyond `maxBytes` or when it is not UTF-8. */
export async function readStdin(context: Context, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of context.shell.stdin) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
    size += bytes.length;
    if (size > maxBytes) throw fail('bad-prompt', `stdin holds more than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw fail('bad-prompt', 'stdin is not UTF-8 text', { cause: error });
  }
}

/** Keys that end a line or the input on a terminal in raw mode. */
const ENTER = /^[\r\n]$/;
const KEYS = { interrupt: '\u0003', end: '\u0004', delete: '\u007f', backspace: '\b' };

/**
 * Asks for a new password on the terminal, twice, without showing it. Without a terminal it refuses and names the flag;
 * throws `bad-usage` when the two differ.
 */
export async function askPassword(context: Context, question: string): Promise<string> {
  const { options, shell } = context;
  const { stdin, stderr } = shell;
  if (options.input === false || stdin.isTTY !== true || stderr.isTTY !== true || stdin.setRawMode === undefined) {
    throw fail('bad-usage', 'a password is asked for on a terminal, and there is none', {
      hint: 'Send it on stdin: `holdfast token create --user NAME --password-stdin < FILE`.',
    });
  }
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  const keys = readKeys(shell);
  try {
    const first = await readHidden(keys, shell, `${question}: `);
    const second = await readHidden(keys, shell, 'Again: ');
    if (first !== second) throw fail('bad-usage', 'the two passwords differ');
    return first;
  } finally {
    stdin.setRawMode(false);
    // Ends the input, which would keep the process.
    await keys.return(undefined);
  }
}

/** Yields what is typed, one character at a time; ends with an error when the command is interrupted. */
async function* readKeys({ stdin, interrupted }: Context['shell']): AsyncGenerator<string, undefined> {
  for await (const chunk of addAbortSignal(interrupted, stdin)) yield* String(chunk);
}

/** Reads one line of a terminal in raw mode: nothing of it is echoed, and Ctrl-C has to be noticed here. */
async function readHidden(keys: AsyncGenerator<string>, { stderr }: Context['shell'], prompt: string): Promise<string> {
  stderr.write(prompt);
  const typed: string[] = [];
  for (let next = await keys.next(); next.done !== true; next = await keys.next()) {
    const key = next.value;
    if (ENTER.test(key)) {
      stderr.write('\n');
      return typed.join('');
    }
    if (key === KEYS.interrupt || key === KEYS.end) break;
    if (key === KEYS.delete || key === KEYS.backspace) typed.pop();
    else if (key >= ' ') typed.push(key);
  }
  stderr.write('\n');
  throw fail('interrupted', 'nothing was done');
}
