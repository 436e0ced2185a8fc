/**
 * What an agent printed, made safe for a terminal (attack list S49). Printable text, newline, tab and colours (CSI … m)
 * pass; every other way to move the cursor, rewrite what was shown, set the title or the clipboard, or turn the reading
 * direction is removed or shown as text. The same input gives the same output however it is cut into chunks.
 */

const ESC = 0x1b;
/** Longest parameter text of a colour that is passed on; a longer one is nothing a program means. */
const MAX_SGR = 64;

type State = 'ground' | 'escape' | 'intermediate' | 'csi' | 'string' | 'string-escape';

/** Invisible characters that reorder the text around them. */
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const PLAIN = /^[\x20-\x7e\n\t]*$/;
/** C1 forms of OSC, DCS, SOS, PM, APC: what follows up to the string terminator is not text. */
const C1_STRINGS = new Set([0x90, 0x98, 0x9d, 0x9e, 0x9f]);

/** Makes bytes of any origin safe to print, piece by piece. */
export class Sanitiser {
  #decoder = new TextDecoder('utf-8');
  #state: State = 'ground';
  #parameters = '';
  #pendingReturn = false;
  #styled = false;

  /** Returns what of `bytes` (and of what was held back) may be printed now. */
  push(bytes: Uint8Array): string {
    return this.#clean(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Returns the rest, with the colours reset if any were set. The sanitiser can be used again after. */
  end(): string {
    let rest = this.#clean(this.#decoder.decode());
    if (this.#pendingReturn) rest += '\n';
    if (this.#styled) rest += '\u001b[0m';
    this.#state = 'ground';
    this.#pendingReturn = false;
    this.#styled = false;
    return rest;
  }

  #clean(text: string): string {
    if (this.#state === 'ground' && !this.#pendingReturn && PLAIN.test(text)) return text;
    let out = '';
    for (const character of text) out += this.#step(character);
    return out;
  }

  #step(character: string): string {
    const code = character.codePointAt(0) ?? 0;
    switch (this.#state) {
      case 'ground':
        return this.#ground(character, code);
      case 'escape':
        return this.#escape(character, code);
      case 'intermediate':
        return this.#intermediate(character, code);
      case 'csi':
        return this.#csi(character, code);
      case 'string':
        return this.#string(character, code);
      case 'string-escape':
        if (character !== '\\') return this.#escape(character, code);
        this.#state = 'ground';
        return '';
    }
  }

  #ground(character: string, code: number): string {
    this.#state = 'ground';
    if (code === 0x0d) {
      this.#pendingReturn = true;
      return '';
    }
    // A carriage return alone goes back to overwrite what was read already: start a new line instead.
    const before = this.#pendingReturn && code !== 0x0a ? '\n' : '';
    this.#pendingReturn = false;
    if (code === ESC) this.#state = 'escape';
    else if (code === 0x9b) this.#startCsi();
    else if (C1_STRINGS.has(code)) this.#state = 'string';
    else if (BIDI.test(character)) return `${before}<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
    else if (code === 0x0a || code === 0x09 || (code >= 0x20 && code < 0x7f) || code >= 0xa0) return before + character;
    return before;
  }

  #escape(character: string, code: number): string {
    if (character === '[') this.#startCsi();
    else if (']PX^_'.includes(character)) this.#state = 'string';
    else if (code >= 0x20 && code <= 0x2f) this.#state = 'intermediate';
    else if (code >= 0x30 && code <= 0x7e) this.#state = 'ground';
    else return this.#ground(character, code);
    return '';
  }

  #intermediate(character: string, code: number): string {
    if (code >= 0x20 && code <= 0x2f) return '';
    if (code < 0x20 || code > 0x7e) return this.#ground(character, code);
    this.#state = 'ground';
    return '';
  }

  #startCsi(): void {
    this.#state = 'csi';
    this.#parameters = '';
  }

  #csi(character: string, code: number): string {
    if (code < 0x20 || code > 0x7e) return this.#ground(character, code);
    if (code < 0x40) {
      if (this.#parameters.length <= MAX_SGR) this.#parameters += character;
      return '';
    }
    this.#state = 'ground';
    if (character !== 'm' || this.#parameters.length > MAX_SGR || !/^[\d;:]*$/.test(this.#parameters)) return '';
    this.#styled = true;
    return `\u001b[${this.#parameters}m`;
  }

  /** A string ends at its terminator, and at a line break: a terminator left out must not hide the rest of the log. */
  #string(character: string, code: number): string {
    if (code === 0x0a || code === 0x0d) return this.#ground(character, code);
    if (code === ESC) this.#state = 'string-escape';
    else if (code === 0x07 || code === 0x9c) this.#state = 'ground';
    return '';
  }
}

/** Returns `text` safe for a terminal, colours removed, line breaks kept. */
export function cleanText(text: string): string {
  const sanitiser = new Sanitiser();
  const safe = sanitiser.push(new TextEncoder().encode(text)) + sanitiser.end();
  // eslint-disable-next-line no-control-regex
  return safe.replaceAll(/\u001b\[[\d;:]*m/g, '');
}

/** Returns `text` as one safe line: for names, prompts and reasons inside our own messages. */
export function cleanLine(text: string): string {
  return cleanText(text).replaceAll(/\s+/g, ' ').trim();
}

/** Returns JSON text in which every character a terminal might act on is written as an escape; the value is the same. */
export function safeJson(value: unknown, indent: number): string {
  return JSON.stringify(value, null, indent).replaceAll(
    /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
