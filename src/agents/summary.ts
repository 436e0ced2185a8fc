import type { AgentEvent, Summary } from './adapter.ts';

/** Bounds that keep a summary small whatever the agent prints, in characters and entries. */
const MAX_TEXT = 4096;
const MAX_NAME = 256;
const MAX_OPEN_TOOLS = 64;

/** Returns the summary of an attempt that has said nothing yet. */
export function emptySummary(): Summary {
  return {
    sessionId: null,
    final: null,
    lastError: null,
    lastRetry: null,
    retries: 0,
    openTools: [],
    usage: { input: 0, output: 0, costUsd: null },
    progress: null,
    lastText: null,
  };
}

/** Returns what these events amount to, in order. */
export function summarise(events: Iterable<AgentEvent>): Summary {
  let summary = emptySummary();
  for (const event of events) summary = addEvent(summary, event);
  return summary;
}

/** Returns the summary after one more event; the one given is left as it was. */
export function addEvent(seen: Summary, event: AgentEvent): Summary {
  switch (event.kind) {
    case 'session':
      return { ...working(seen), sessionId: head(event.id, MAX_NAME) };
    case 'text': {
      const before = event.delta === true ? (seen.lastText ?? '') : '';
      return { ...working(seen), lastText: tail(before + event.text) };
    }
    case 'tool-start': {
      const tool = { id: head(event.id, MAX_NAME), name: head(event.name, MAX_NAME) };
      const others = seen.openTools.filter((open) => open.id !== tool.id);
      return { ...working(seen), openTools: [...others, tool].slice(-MAX_OPEN_TOOLS) };
    }
    case 'tool-end': {
      const id = head(event.id, MAX_NAME);
      return { ...seen, lastRetry: null, openTools: seen.openTools.filter((open) => open.id !== id) };
    }
    case 'retry': {
      const { attempt, delayMs, status = null } = event;
      return { ...seen, lastRetry: { attempt, delayMs, status }, retries: seen.retries + 1 };
    }
    case 'usage': {
      const { input, output, costUsd } = seen.usage;
      const cost = event.costUsd === undefined ? costUsd : (costUsd ?? 0) + event.costUsd;
      return { ...seen, usage: { input: input + event.input, output: output + event.output, costUsd: cost } };
    }
    case 'progress':
      return { ...seen, progress: { percent: event.percent, message: head(event.message, MAX_TEXT) } };
    case 'error':
      return { ...seen, lastError: { fatal: event.fatal, message: head(event.message, MAX_TEXT) } };
    case 'final': {
      const { ok, text, reason, cause = null } = event;
      const final = { ok, text: bounded(text), reason: bounded(reason), cause };
      return { ...seen, lastRetry: null, final };
    }
    case 'other':
      return seen;
  }
}

/** The agent is at work (again): a final event before this was not its last word, and the model answers. */
function working(seen: Summary): Summary {
  return { ...seen, final: null, lastRetry: null };
}

function head(text: string, max: number): string {
  return text.length > max ? text.slice(0, max) : text;
}

function tail(text: string): string {
  return text.length > MAX_TEXT ? text.slice(-MAX_TEXT) : text;
}

function bounded(text: string | undefined): string | null {
  return text === undefined ? null : head(text, MAX_TEXT);
}
