/**
 * TAP (versions 13 and 14) in what a gate printed. Lines of others in between are passed over, but the plan must come out:
 * a summary of half a run would mislead. What is not understood gives none, and never fails anything.
 */
import type { TestSummary } from '../lifecycle/stage.ts';
import { SummaryBuilder } from './test-summary.ts';

/** Longest output that is read, bytes: a few hundredths of a second of the event loop. */
const MAX_BYTES = 4 * 2 ** 20;

const PLAN = /^1\.\.(\d{1,9})(?:\s*#.*)?$/;
/** Of the whole run; what is indented belongs to a subtest, whose result its parent tells. */
const TEST = /^(not )?ok(?:\s+(\d{1,9}))?(?:\s+(?:- )?(.*))?$/;
const DIRECTIVE = /(?:^|\s)#\s*(?:skip|todo)\b/i;

/** Returns what the tests of a run came to, or null where the output is no whole TAP. */
export function readTap(bytes: Uint8Array): TestSummary | null {
  if (bytes.length > MAX_BYTES) return null;
  let planned: number | null = null;
  const seen = new Set<number>();
  const summary = new SummaryBuilder('tap');
  for (const line of new TextDecoder().decode(bytes).split(/\r?\n/)) {
    if (/^Bail out!/i.test(line)) return null;
    const plan = PLAN.exec(line);
    if (plan !== null) {
      // Two runs one after the other: which of them is meant nobody knows.
      if (planned !== null) return null;
      planned = Number(plan[1]);
      continue;
    }
    const test = TEST.exec(line);
    if (test === null) continue;
    const [, not, number, about = ''] = test;
    const id = number === undefined ? seen.size + 1 : Number(number);
    if (seen.has(id)) return null;
    seen.add(id);
    if (DIRECTIVE.test(about)) summary.skip();
    else if (not === undefined) summary.pass();
    else summary.fail(about === '' ? `test ${id}` : about);
  }
  if (planned === null || seen.size !== planned) return null;
  for (const id of seen) if (id < 1 || id > planned) return null;
  return summary.build();
}
