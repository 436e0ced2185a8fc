/** Returns words of a command line as a person would type them for a shell: quoted where they have to be. */
export function quoteWords(words: readonly string[]): string {
  const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
  return words.map(quote).join(' ');
}
