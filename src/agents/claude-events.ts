import type { AgentEvent, FinalCause } from './adapter.ts';

type Fields = Record<string, unknown>;

/**
 * Reads one complete line of Claude Code's `stream-json` output (2.1.329). Never throws: what has another form than
 * expected is `other`. Order of keys means nothing (`type` comes late in `result`).
 */
export function parseClaudeEvents(line: string): AgentEvent[] {
  const event = parseObject(line);
  switch (event['type']) {
    case 'system':
      return parseSystem(event);
    case 'assistant':
      return orOther(contentOf(event).flatMap((block) => parseAssistant(block, event)));
    case 'user':
      return orOther(contentOf(event).flatMap(parseUser));
    case 'result':
      return parseResult(event);
    default:
      return [{ kind: 'other' }];
  }
}

function parseSystem(event: Fields): AgentEvent[] {
  if (event['subtype'] === 'init') return [{ kind: 'session', id: textOf(event['session_id']) }];
  if (event['subtype'] !== 'api_retry') return [{ kind: 'other' }];
  const status = event['error_status'];
  return [
    {
      kind: 'retry',
      attempt: numberOf(event['attempt']),
      delayMs: numberOf(event['retry_delay_ms']),
      ...(typeof status === 'number' ? { status } : {}),
    },
  ];
}

function parseAssistant(block: Fields, event: Fields): AgentEvent[] {
  // What a subagent says is its parent's tool call at work, not the agent's own word.
  if (block['type'] === 'text' && typeof event['parent_tool_use_id'] !== 'string') {
    return [{ kind: 'text', text: textOf(block['text']) }];
  }
  if (block['type'] !== 'tool_use') return [];
  return [{ kind: 'tool-start', id: textOf(block['id']), name: textOf(block['name']), input: block['input'] }];
}

function parseUser(block: Fields): AgentEvent[] {
  if (block['type'] !== 'tool_result') return [];
  const result = resultOf(block['content']);
  const end = { kind: 'tool-end', id: textOf(block['tool_use_id']), ok: block['is_error'] !== true } as const;
  return [result === '' ? end : { ...end, result }];
}

/** A result is a text, or a list of blocks of which some are text. */
function resultOf(content: unknown): string {
  if (typeof content === 'string') return content;
  const texts = listOf(content).map((block) => textOf(objectOf(block)['text']));
  return texts.filter((text) => text !== '').join('\n');
}

/** `is_error` decides, never `subtype`: an API error ends with subtype `success`. */
function parseResult(event: Fields): AgentEvent[] {
  const ok = event['is_error'] === false;
  const errors = listOf(event['errors']).filter((error) => typeof error === 'string');
  const reason = ok ? textOf(event['terminal_reason']) : reasonOf(event, errors);
  const cause = ok ? null : causeOf(event, errors);
  return [
    { kind: 'usage', ...usageOf(event) },
    { kind: 'final', ok, text: textOf(event['result']), reason, ...(cause === null ? {} : { cause }) },
  ];
}

function reasonOf(event: Fields, errors: string[]): string {
  const said = errors.length > 0 ? errors.join('; ') : textOf(event['result']);
  return [textOf(event['terminal_reason']) || textOf(event['subtype']), said].filter((part) => part !== '').join(': ');
}

function causeOf(event: Fields, errors: string[]): FinalCause | null {
  const reason = textOf(event['terminal_reason']);
  if (errors.some((error) => UNRESUMABLE.test(error))) return 'unresumable';
  if (reason.startsWith('aborted')) return 'interrupted';
  return reason === 'api_error' || typeof event['api_error_status'] === 'number' ? 'api' : null;
}

/** How it refuses a session: unknown to this HOME, or an id that was used for a start before. */
export const UNRESUMABLE = /No conversation found with session ID|Session ID \S+ is already in use/;

/**
 * Tokens and cost of this process. `total_cost_usd` counts the whole session, resumed parts included, so the amounts
 * since the last result are summed where they are told.
 */
function usageOf(event: Fields): { input: number; output: number; costUsd?: number } {
  const usage = objectOf(event['usage']);
  const models = event['model_usage_since_last_result'];
  const input = ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'];
  const total = event['total_cost_usd'];
  const costs = Object.values(objectOf(models)).map((model) => objectOf(model)['costUSD']);
  const costUsd = models === undefined ? total : sum(costs);
  return {
    input: sum(input.map((key) => usage[key])),
    output: numberOf(usage['output_tokens']),
    ...(typeof costUsd === 'number' ? { costUsd } : {}),
  };
}

function orOther(events: AgentEvent[]): AgentEvent[] {
  return events.length > 0 ? events : [{ kind: 'other' }];
}

function contentOf(event: Fields): Fields[] {
  return listOf(objectOf(event['message'])['content']).map(objectOf);
}

function parseObject(line: string): Fields {
  if (!line.startsWith('{')) return {};
  try {
    return objectOf(JSON.parse(line));
  } catch {
    return {};
  }
}

function objectOf(value: unknown): Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function sum(values: unknown[]): number {
  return values.reduce<number>((total, value) => total + numberOf(value), 0);
}
