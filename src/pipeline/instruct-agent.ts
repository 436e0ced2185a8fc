/** What an agent is told beside the text of its job. Pure; what gates printed is quoted, never obeyed by us. */
import type { ReviewQuestion, TaskFacts } from '../lifecycle/stage-rules.ts';

/** Returns the instructions of a task, or null where the text of the job says it all. */
export function instructAgent(facts: TaskFacts): string | null {
  const parts = [instructTask(facts), describeStop(facts), describeBefore(facts)].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join('\n\n');
}

function describeStop({ stopped }: TaskFacts): string | null {
  if (stopped === undefined) return null;
  return `The work stood still before, and a person sent it back. The reason was:\n\n${fenced(stopped)}`;
}

function describeBefore({ before }: TaskFacts): string | null {
  if (before === undefined) return null;
  const { why, path } = before;
  return [
    `The directory this was worked on in before could not be used any more (${why}). This one was made anew, from the last work of the job that was kept, else from its base.`,
    path === null
      ? 'Nothing of the old one is left.'
      : `The old one is kept as it was left in ${path}: look there for what is missing here and take over what belongs to the task; change nothing there.`,
  ].join('\n');
}

function instructTask(facts: TaskFacts): string | null {
  switch (facts.task) {
    case 'work':
      return null;
    case 'commit':
      return [
        'The work is in this directory already, but not all of it is committed.',
        'Commit everything that belongs to it, in commits with clear messages. Change nothing else.',
      ].join('\n');
    case 'fix':
      return [
        `The work is in this directory. ${describeFailure(facts)}`,
        describeTests(facts),
        quote(facts.evidence),
        'Find the cause, correct the work, and commit everything that belongs to it. Do not weaken or remove checks.',
      ]
        .filter((part) => part !== '')
        .join('\n\n');
    case 'resolve':
      return [
        `The work is in this directory, but it conflicts with what its base branch has become. ${describeFailure(facts)}`,
        quote(facts.evidence),
        'Get what the base has become with `git fetch "$HOLDFAST_BASE_BUNDLE"`, merge FETCH_HEAD into this branch, resolve every conflict so that both intentions are kept, and commit the merge.',
      ]
        .filter((part) => part !== '')
        .join('\n\n');
    case 'review':
      return facts.review === null ? null : instructReviewer(facts.review);
  }
}

function describeFailure({ gate, why }: TaskFacts): string {
  if (gate === null) return why === null ? 'It needs another look.' : `It needs another look: ${why}.`;
  return `The check "${gate}" does not pass${why === null ? '' : `: ${why}`}.`;
}

/** What the tests told is quoted like everything else they print: their names are the words of others. */
function describeTests({ summary = null }: TaskFacts): string {
  if (summary === null || summary.failed === 0) return '';
  const { tests, failed, failing } = summary;
  const more = failed > failing.length ? [`… and ${failed - failing.length} more`] : [];
  return `Of its ${tests} tests ${failed} failed:\n\n${fenced([...failing, ...more].join('\n'))}`;
}

function quote(text: string | null): string {
  return text === null || text.trim() === '' ? '' : `What it printed at the end:\n\n${fenced(text.trimEnd())}`;
}

/** Longer than any run of backquotes inside, so that what is quoted cannot end the quotation. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

function instructReviewer(question: ReviewQuestion): string {
  const { job, epoch, candidate, base, nonce, file } = question;
  const answer = { v: 1, job, epoch, candidate, nonce, verdict: 'PASS', score: 90, summary: '…', findings: [] };
  return [
    'You review work of somebody else. It is in this directory; nothing you change here is kept.',
    `Judge the changes from ${base} to ${candidate} (\`git diff ${base} ${candidate}\`) against the task above.`,
    `Write your verdict as JSON to the file ${file}, exactly of this form:`,
    JSON.stringify(answer, null, 2),
    [
      '`verdict` is PASS, FAIL (it must be fixed) or BLOCK (you cannot judge it). `score` is 0 to 100.',
      '`findings` is a list of {"severity": "critical"|"major"|"minor"|"info", "path", "line", "text"}; path and line may be left out.',
      'Only this file counts.',
    ].join('\n'),
  ].join('\n\n');
}
