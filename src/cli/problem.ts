import { CommanderError } from 'commander';
import { ERRORS, fail, HoldfastError } from '../kernel/errors.ts';
import { messageOf } from '../kernel/result.ts';
import { cleanText, safeJson } from './sanitise.ts';
import type { Colours } from './terminal.ts';

/** Returns anything that was thrown as an error of the table; what is not ours becomes `internal`. */
export function toHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (error instanceof CommanderError) {
    const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
    const suggestion = rest.join(' ').trim();
    return fail('bad-usage', first, suggestion === '' ? {} : { hint: suggestion.replace(/^\((.*)\)$/, '$1') });
  }
  return fail('internal', messageOf(error), {
    hint: 'Run it again with --verbose for where it happened, and report it.',
    cause: error,
  });
}

/** Returns an error for people: what is wrong with its code, then what to do. */
export function renderError(error: HoldfastError, options: { colours: Colours; verbose: boolean }): string {
  const { colours } = options;
  const title = ERRORS[error.code].title;
  const mark = error.code === 'interrupted' ? '' : `${colours.red('✗')} `;
  const detail = cleanText(error.detail).trimEnd();
  const lines = [`${mark}${colours.bold(title)}: ${detail} ${colours.dim(`[${error.code}]`)}`];
  if (error.hint !== '') lines.push(`${colours.cyan('→')} ${cleanText(error.hint)}`);
  if (options.verbose && error.cause instanceof Error && error.cause.stack !== undefined) {
    lines.push(colours.dim(cleanText(error.cause.stack)));
  }
  return lines.join('\n');
}

/** Returns an error for programs: one line of JSON in the form the server answers with. */
export function renderProblem(error: HoldfastError): string {
  const { title } = ERRORS[error.code];
  return safeJson(
    {
      type: `urn:holdfast:error:${error.code}`,
      title,
      status: error.status,
      detail: error.detail,
      code: error.code,
      hint: error.hint,
      exitCode: error.exit,
    },
    0,
  );
}
