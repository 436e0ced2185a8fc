import type { EvidenceView, GateView, RefusalView } from '../api/contract.ts';
import type { View } from './job-view.ts';
import { cleanLine } from './sanitise.ts';
import { renderTable, type Cell, type Column } from './table.ts';
import { formatBytes, relativeTime } from './times.ts';

/** Characters of a hash that are shown: enough to tell two apart; `--json` has all of them. */
const HASH_CHARS = 12;

/** Returns the results of gates as a table, oldest first. */
export function renderGates(gates: readonly GateView[], view: View): string {
  const columns: Column[] = [
    { title: 'EPOCH', align: 'right' },
    { title: 'STAGE' },
    { title: 'GATE' },
    { title: 'RESULT' },
    { title: 'TESTS' },
    { title: 'ATTEMPT', align: 'right' },
    { title: 'EVIDENCE' },
    { title: 'WHY', flexible: true },
  ];
  const rows = gates.map(({ epoch, stage, gate, result, summary, attempt, evidence, why }): (Cell | string)[] => [
    String(epoch),
    stage,
    cleanLine(gate),
    { text: result, style: styleOf(result, view) },
    summary === null ? '–' : `${summary.passed}/${summary.tests}`,
    attempt === null ? '–' : String(attempt),
    evidence.map((hash) => hash.slice(0, HASH_CHARS)).join(' ') || '–',
    cleanLine([why, ...namesOf(summary)].filter((one) => one !== null).join(': ')),
  ]);
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}

/** Failing tests that are named in one line; `--json` has more. */
const NAMED = 3;

function namesOf(summary: GateView['summary']): string[] {
  if (summary === null || summary.failing.length === 0) return [];
  const more = summary.failed > NAMED ? [`${summary.failed - NAMED} more`] : [];
  return [[...summary.failing.slice(0, NAMED), ...more].join(', ')];
}

/** Returns the results that were refused as a table, oldest first. */
export function renderRefusals(refusals: readonly RefusalView[], view: View): string {
  const columns: Column[] = [
    { title: 'REFUSED' },
    { title: 'RESULT' },
    { title: 'EPOCH', align: 'right' },
    { title: 'ATTEMPT', align: 'right' },
    { title: 'WHEN' },
    { title: 'WHY', flexible: true },
  ];
  const rows = refusals.map(({ word, result, epoch, attempt, gate, why, recordedAt }): (Cell | string)[] => [
    { text: word, style: view.colours.yellow },
    gate === null ? result : `${result} of ${cleanLine(gate)}`,
    String(epoch),
    attempt === null ? '–' : String(attempt),
    { text: relativeTime(recordedAt, view.now), style: view.colours.dim },
    cleanLine(why),
  ]);
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}

function styleOf(result: GateView['result'], { colours }: View): (text: string) => string {
  if (result === 'PASS') return colours.green;
  return result === 'FAIL' ? colours.red : colours.yellow;
}

/** Returns what a job handed on, one line each. */
export function renderHandedOn(evidence: readonly EvidenceView[], view: View): string {
  const kept = evidence.filter(({ kind }) => kind === 'patch' || kind === 'report');
  return kept
    .map(({ name, sha256, bytes }) => `${cleanLine(name)}  ${view.colours.dim(`${formatBytes(bytes)}  ${sha256}`)}\n`)
    .join('');
}
