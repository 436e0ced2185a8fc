/**
 * JUnit XML that a gate left. It is a text an agent's work has written: no document type, so no entity of its own, is
 * taken; depth and length are bounded; and what is malformed gives no summary, and never fails anything.
 */
import sax from 'sax';
import type { TestSummary } from '../lifecycle/stage.ts';
import { SummaryBuilder } from './test-summary.ts';

/** Longest reports that are read, bytes, all of a run together: some hundredths of a second of the event loop. */
export const MAX_REPORT_BYTES = 2 * 2 ** 20;
const MAX_DEPTH = 64;
const ROOTS = new Set(['testsuites', 'testsuite']);

/** A test that is being read. */
interface Case {
  name: string;
  result: 'pass' | 'fail' | 'skip';
}

/** Returns what the tests of all reports of one run came to; null where there is none, or one of them is no JUnit XML. */
export function readJunit(files: readonly Uint8Array[]): TestSummary | null {
  const bytes = files.reduce((sum, file) => sum + file.length, 0);
  if (files.length === 0 || bytes > MAX_REPORT_BYTES) return null;
  const summary = new SummaryBuilder('junit');
  try {
    for (const file of files) readReport(new TextDecoder('utf-8', { fatal: true }).decode(file), summary);
  } catch {
    return null;
  }
  return summary.build();
}

/** Throws for whatever is not a report. */
function readReport(text: string, summary: SummaryBuilder): void {
  const parser = sax.parser(true, { position: false });
  const open: string[] = [];
  let current: Case | null = null;
  let isReport = false;
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the parser of this library is no event target
  parser.onerror = (error) => {
    throw error;
  };
  parser.ondoctype = () => {
    throw new Error('a report has no document type');
  };
  parser.onopentag = ({ name, attributes }) => {
    if (open.length === 0 && (isReport || !ROOTS.has(name))) throw new Error(`${name} is no report`);
    if (open.length >= MAX_DEPTH) throw new Error('it is too deep');
    isReport = true;
    const inside = open.at(-1);
    open.push(name);
    if (name === 'testcase') {
      if (current !== null) throw new Error('a test lies in a test');
      current = { name: nameOf(attributes as Record<string, string>), result: 'pass' };
    } else if (current !== null && inside === 'testcase') {
      if (name === 'failure' || name === 'error') current.result = 'fail';
      else if (name === 'skipped' && current.result === 'pass') current.result = 'skip';
    }
  };
  parser.onclosetag = (name) => {
    open.pop();
    if (name !== 'testcase' || current === null) return;
    if (current.result === 'pass') summary.pass();
    else if (current.result === 'skip') summary.skip();
    else summary.fail(current.name);
    current = null;
  };
  parser.write(text).close();
  if (!isReport) throw new Error('it is empty');
}

function nameOf({ classname, name = '' }: Record<string, string | undefined>): string {
  return classname === undefined || classname === '' || classname === name ? name : `${classname} › ${name}`;
}
