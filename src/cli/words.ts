import { InvalidArgumentError } from 'commander';
import { fail } from '../kernel/errors.ts';

/** Returns a parser for whole numbers from `min` to `max`, for an option or argument. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** Appends to a list: for an option that may be given several times. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/**
 * Splits a command into words as a shell would, with quotes and backslashes, and nothing else: no variable, pipe or
 * pattern means anything. Throws `bad-usage` for an open quote or no word at all.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (quote === "'") {
      if (character === quote) quote = null;
      else word = (word ?? '') + character;
    } else if (character === '\\' && (quote === null || '"\\$`'.includes(text.charAt(i + 1))) && i + 1 < text.length) {
      word = (word ?? '') + text.charAt(++i);
    } else if (quote === '"') {
      if (character === quote) quote = null;
      else word = (word ?? '') + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== null) throw fail('bad-usage', `a quote is not closed in: ${text}`);
  if (word !== null) words.push(word);
  if (words.length === 0) throw fail('bad-usage', 'the command is empty');
  return words;
}
