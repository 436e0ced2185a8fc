/**
 * What an agent said and did, from its own events, as Markdown for people. Deterministic: the same bytes of output give
 * the same text however they are cut, so that a transcript can be made again at any time. Bounded: each piece is
 * shortened, and no more than one line is held.
 */
import type { AgentAdapter, AgentEvent } from './adapter.ts';
import { indent, inlineCode, neutraliseLine, quote, shorten } from './neutralise.ts';
import { createLineReader } from './read-events.ts';

/** Longest pieces that are shown whole, in characters. */
const MAX_TEXT = 64 * 1024;
const MAX_INPUT = 2000;
const MAX_RESULT = 4000;
const MAX_LINE = 2000;
const MAX_MESSAGE = 1000;

export type TranscriptSource = Pick<AgentAdapter, 'parseEvent'> & {
  capabilities: Pick<AgentAdapter['capabilities'], 'plainOutput'>;
};

export interface TranscriptRenderer {
  /** Takes the next bytes of the output; returns what the lines they complete add. Keeps nothing of `chunk`. */
  push(chunk: Uint8Array): string;
  /** Returns what was held back; a last line without its line break counts only where output is shown as it is. */
  end(): string;
}

/** Returns a renderer that has seen nothing yet. */
export function createTranscriptRenderer(source: TranscriptSource): TranscriptRenderer {
  const isPlain = source.capabilities.plainOutput;
  let out = '';
  let inOutput = false;
  /** Text that comes in pieces, until it is whole. */
  let pieces: string | null = null;

  const block = (text: string): void => {
    out += `\n${text}`;
    inOutput = false;
  };
  const endPieces = (): void => {
    const text = pieces === null ? null : renderEvent({ kind: 'text', text: pieces });
    pieces = null;
    if (text !== null) block(text);
  };
  const printLine = (line: string): void => {
    if (!inOutput) block('Output:\n\n');
    inOutput = true;
    out += indent(shorten(line.endsWith('\r') ? line.slice(0, -1) : line, MAX_LINE));
  };
  const show = (event: AgentEvent): void => {
    if (event.kind === 'text' && event.delta === true) {
      pieces = ((pieces ?? '') + event.text).slice(0, MAX_TEXT);
      return;
    }
    endPieces();
    const text = renderEvent(event);
    if (text !== null) block(text);
  };
  const lines = createLineReader((line, bytes) => {
    if (line === null) return block(`(a line of ${bytes} bytes is left out)\n`);
    const events = source.parseEvent(line);
    const isEvent = events.some((event) => event.kind !== 'other');
    if (isPlain && !isEvent) {
      endPieces();
      return printLine(line);
    }
    for (const event of events) show(event);
  });
  const take = (): string => {
    const text = out;
    out = '';
    return text;
  };
  return {
    push: (chunk) => {
      lines.push(chunk);
      return take();
    },
    end: () => {
      endPieces();
      const rest = isPlain ? lines.takeRest() : null;
      if (rest !== null && rest !== '') printLine(rest);
      return take();
    },
  };
}

/** Returns an event as a block, or null for one that says nothing to a reader. */
function renderEvent(event: AgentEvent): string | null {
  switch (event.kind) {
    case 'text':
      return event.text.trim() === '' ? null : quote(shorten(event.text.trimEnd(), MAX_TEXT));
    case 'tool-start':
      return `Tool ${inlineCode(event.name)}:\n\n${indent(shorten(describeInput(event.input), MAX_INPUT))}`;
    case 'tool-end':
      return renderToolEnd(event);
    case 'retry': {
      const status = event.status === undefined ? '' : ` (status ${event.status})`;
      return `The model service did not answer${status}; try ${event.attempt} after ${event.delayMs} ms.\n`;
    }
    case 'progress': {
      const percent = event.percent === null ? '' : `${event.percent} % `;
      return `Progress: ${percent}${neutraliseLine(event.message, MAX_MESSAGE)}\n`;
    }
    case 'error':
      return `${event.fatal ? 'Fatal error' : 'Error'}:\n\n${indent(shorten(event.message, MAX_RESULT))}`;
    case 'final':
      return renderFinal(event);
    case 'usage': {
      const cost = event.costUsd === undefined ? '' : `, ${event.costUsd.toFixed(4)} USD`;
      return `Tokens: ${event.input} in, ${event.output} out${cost}\n`;
    }
    case 'session':
    case 'other':
      return null;
  }
}

function renderToolEnd(event: Extract<AgentEvent, { kind: 'tool-end' }>): string | null {
  const result = event.result?.trimEnd() ?? '';
  if (result === '') return event.ok ? null : 'The tool failed.\n';
  return `${event.ok ? 'Result' : 'The tool failed'}:\n\n${indent(shorten(result, MAX_RESULT))}`;
}

function renderFinal({ ok, text = '', reason = '' }: Extract<AgentEvent, { kind: 'final' }>): string {
  const why = reason === '' ? '' : ` (${neutraliseLine(reason, MAX_MESSAGE)})`;
  const said = text.trim() === '' ? '' : `\n${quote(shorten(text.trimEnd(), MAX_TEXT))}`;
  return `**${ok ? 'Final result' : 'Final result: failed'}**${why}\n${said}`;
}

/** Fields line by line, texts as they are: a command is read, not its JSON. */
function describeInput(input: unknown): string {
  if (input === undefined || input === null) return '(no input)';
  if (typeof input !== 'object' || Array.isArray(input)) return JSON.stringify(input);
  const fields = Object.entries(input).map(([key, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `${key}: ${shorten(text, MAX_INPUT)}`;
  });
  return fields.length === 0 ? '(no input)' : fields.join('\n');
}
