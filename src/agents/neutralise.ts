/**
 * Text of any origin made harmless inside a Markdown file that people print on terminals: escape sequences are removed,
 * control characters and those that turn the reading direction become visible signs, and a block of it can never end
 * the block it is in, because every one of its lines is marked.
 */

/** CSI, the string sequences up to their terminator or the end of the line, and two-character escapes. */
// oxlint-disable-next-line no-control-regex -- these are what is removed
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
// oxlint-disable-next-line no-control-regex -- these are what is shown
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function sign(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** Returns the text with nothing in it a terminal would act on; line breaks (LF, CRLF) and tabs stay. */
export function neutralise(text: string): string {
  return text.toWellFormed().replaceAll(ESCAPES, '').replaceAll('\r\n', '\n').replaceAll(CONTROLS, sign);
}

/** Returns one harmless line of at most `max` characters. */
export function neutraliseLine(text: string, max: number): string {
  return neutralise(shorten(text, max)).replaceAll(/\s+/g, ' ').trim();
}

/** Returns harmless text as inline code. */
export function inlineCode(text: string): string {
  return `\`${neutraliseLine(text, 200).replaceAll('`', "'")}\``;
}

/** Returns harmless text as a quotation: Markdown inside it works, and ends with it. */
export function quote(text: string): string {
  return neutralise(text)
    .split('\n')
    .map((line) => (line === '' ? '>\n' : `> ${line}\n`))
    .join('');
}

/** Returns harmless text as an indented block, which no text can end; `text` has no final line break. */
export function indent(text: string): string {
  return neutralise(text)
    .split('\n')
    .map((line) => (line === '' ? '\n' : `    ${line}\n`))
    .join('');
}

/** Returns the text, or three quarters from its beginning and one from its end with the number of characters between. */
export function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  const head = text.slice(0, Math.ceil(max * 0.75));
  const tail = text.slice(text.length - Math.floor(max * 0.25));
  const left = text.length - head.length - tail.length;
  return `${head} … [${left} characters left out] … ${tail}`;
}
