/** The parts of the documents that come from the code. Changes nothing: `render-documents.ts` writes, tests compare. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ERRORS } from '../src/kernel/errors.ts';
import {
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  JOB_STATES,
  JOB_TRANSITIONS,
  TERMINAL_STATES,
} from '../src/lifecycle/transitions.ts';
import { DELIVERY_STATES, DELIVERY_TRANSITIONS } from '../src/lifecycle/delivery.ts';
import { listBudgets, renderStages } from './pipeline-document.ts';
import { CAPABILITY_OWNERS, ROOM_IMPORTS, ROOM_PACKAGES, type Room } from '../test/architecture/rules.ts';

/** Documents with generated blocks, relative to the project. */
export const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'docs/errors.md', 'docs/pipeline.md'] as const;

interface Machine {
  states: readonly string[];
  transitions: Readonly<Record<string, { from: readonly string[]; to: string; cause: string }>>;
  /** States something is made in, with what makes it so. */
  initial: readonly { state: string; by: string }[];
  final: readonly string[];
}

const JOB: Machine = {
  states: JOB_STATES,
  transitions: JOB_TRANSITIONS,
  initial: [
    { state: 'created', by: 'accepted, held' },
    { state: 'waiting', by: 'accepted, after others' },
    { state: 'queued', by: 'accepted' },
  ],
  final: TERMINAL_STATES,
};

const ATTEMPT: Machine = {
  states: ATTEMPT_STATES,
  transitions: ATTEMPT_TRANSITIONS,
  initial: [{ state: 'intended', by: 'launch of its job' }],
  final: ATTEMPT_STATES.filter((state) => state !== 'intended' && state !== 'running'),
};

const DELIVERY: Machine = {
  states: DELIVERY_STATES,
  transitions: DELIVERY_TRANSITIONS,
  initial: [{ state: 'pending', by: 'the event it tells of' }],
  final: ['sent', 'failed'],
};

/** Content of every block, by the name in its marker. */
export const BLOCKS: Readonly<Record<string, () => string>> = {
  'job states': () => renderDiagram(JOB),
  'job transitions': () => renderTransitions(JOB),
  'attempt states': () => renderDiagram(ATTEMPT),
  'attempt transitions': () => renderTransitions(ATTEMPT),
  'delivery states': () => renderDiagram(DELIVERY),
  'delivery transitions': () => renderTransitions(DELIVERY),
  'import table': renderImports,
  'capability owners': renderOwners,
  errors: renderErrors,
  example: renderExample,
  stages: renderStages,
  budgets: () => renderTable(['budget', 'default', 'what it limits'], listBudgets()),
};

const BLOCK = /(<!-- generated: ([a-z ]+) -->\n)[\s\S]*?(<!-- end of generated -->)/g;

/** Returns `text` with every generated block made anew; throws on a block of an unknown name or one without an end. */
export function renderBlocks(text: string): string {
  const opened = text.match(/<!-- generated: /g)?.length ?? 0;
  let rendered = 0;
  const result = text.replaceAll(BLOCK, (_whole, ...groups: string[]) => {
    const [start = '', name = '', end = ''] = groups;
    const render = BLOCKS[name];
    if (render === undefined) throw new Error(`no generated block "${name}"`);
    rendered += 1;
    return `${start}\n${render()}\n\n${end}`;
  });
  if (rendered !== opened) throw new Error(`${opened} blocks are opened, but ${rendered} are whole`);
  return result;
}

/** Names of the blocks in `text`, in order. */
export function listBlocks(text: string): string[] {
  return [...text.matchAll(BLOCK)].map(([, , name = '']) => name);
}

function renderDiagram(machine: Machine): string {
  const arrows = new Map<string, string[]>();
  for (const [name, { from, to }] of Object.entries(machine.transitions)) {
    for (const state of from) {
      const arrow = `${state} --> ${to}`;
      arrows.set(arrow, [...(arrows.get(arrow) ?? []), name]);
    }
  }
  const lines = [
    'stateDiagram-v2',
    '  direction LR',
    ...machine.initial.map(({ state, by }) => `  [*] --> ${state}: ${by}`),
    ...[...arrows].map(([arrow, names]) => `  ${arrow}: ${names.join(', ')}`),
    ...machine.final.map((state) => `  ${state} --> [*]`),
  ];
  return ['```mermaid', ...lines, '```'].join('\n');
}

/** Returns a Markdown table with its columns padded, as a person would write it. */
function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [first = [], ...rest] = cells;
  return [line(first), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rest.map(line)].join('\n');
}

function renderTransitions(machine: Machine): string {
  const rows = Object.entries(machine.transitions).map(([name, { from, to, cause }]) => [
    `\`${name}\``,
    from.join(', '),
    to,
    cause,
  ]);
  return renderTable(['transition', 'from', 'to', 'because'], rows);
}

function renderImports(): string {
  const rows = Object.entries(ROOM_IMPORTS).map(([room, rooms]) => [
    room,
    rooms.join(', ') || '–',
    ROOM_PACKAGES[room as Room]?.map((name) => (name.endsWith('/') ? `${name}*` : name)).join(', ') ?? '–',
  ]);
  return renderTable(['room', 'may import', 'packages'], rows);
}

function renderOwners(): string {
  const rows = Object.entries(CAPABILITY_OWNERS).map(([capability, owners]) => [
    capability,
    owners.map((owner) => `\`${owner}\``).join(', '),
  ]);
  return renderTable(['capability', 'only in'], rows);
}

function renderErrors(): string {
  const rows = Object.entries(ERRORS).map(([code, { title, status, exit, hint }]) => [
    `\`${code}\``,
    title,
    String(status),
    String(exit),
    hint,
  ]);
  return renderTable(['code', 'meaning', 'HTTP', 'exit', 'what to do'], rows);
}

/** The example of the README is a file that runs; a test runs it. */
function renderExample(): string {
  const text = readFileSync(resolve(import.meta.dirname, '../examples/survive-a-crash.sh'), 'utf8');
  return `\`\`\`sh\n${text.trimEnd()}\n\`\`\``;
}
