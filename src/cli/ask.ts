import { createInterface } from 'node:readline/promises';
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
    throw fail('bad-usage', `${question} needs an answer, and there is no terminal to ask on`, { hint: 'Add --yes.' });
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
