/** The report of a hand-off: what was done, what vouches for it, and what a person does next. Pure. */
import type { HandOffFacts } from '../lifecycle/stage-rules.ts';
import type { TestSummary } from '../lifecycle/stage.ts';

/** Returns the report for programs: version 1 of its form. */
export function reportAsJson(facts: HandOffFacts): string {
  const { gates, evidence, ...rest } = facts;
  return `${JSON.stringify(
    {
      v: 1,
      ...rest,
      gates: gates.map(({ gate, stage, epoch, result, why, attempt, summary, evidence: refs }) => ({
        gate,
        stage,
        epoch,
        result,
        why,
        attempt,
        summary,
        evidence: refs,
      })),
      evidence: evidence.map(({ sha256, kind, name, bytes, attempt }) => ({ sha256, kind, name, bytes, attempt })),
      next: nextCommands(facts),
    },
    null,
    2,
  )}\n`;
}

/** Returns the report for people, as Markdown; the same facts give the same bytes. */
export function reportAsMarkdown(facts: HandOffFacts): string {
  const { job, title, branch, base, candidate, commits, files, gates, patchSha256, transcriptSha256 } = facts;
  const head = [
    `# Job ${job.number}: ${plain(title)}`,
    `Branch \`${branch}\` at \`${candidate}\`: ${count(commits, 'commit')} on \`${plain(base.branch)}\` (\`${base.commit}\`).`,
  ];
  const checks =
    gates.length === 0
      ? 'Nothing was registered to check it: **look at it before you use it**.'
      : table(
          ['check', 'result', 'tests', 'attempt', 'evidence'],
          gates.map(({ gate, result, attempt, summary, evidence }) => [
            `\`${plain(gate)}\``,
            result,
            summary === null ? '' : describeSummary(summary),
            attempt === null ? '' : String(attempt),
            evidence.map((hash) => `\`${hash.slice(0, 12)}\``).join(' '),
          ]),
        );
  const changes = table(
    ['file', 'added', 'removed'],
    files.map(({ path, added, removed }) => [`\`${plain(path)}\``, show(added), show(removed)]),
  );
  const kept = [
    patchSha256 === null
      ? 'The patch is too large to be kept; the branch has everything.'
      : `Patch: \`${patchSha256}\``,
    transcriptSha256 === null ? 'No transcript could be kept.' : `Transcript: \`${transcriptSha256}\``,
  ];
  const next = nextCommands(facts).map((command) => `    ${command}`);
  const sections = [
    ...head,
    '## Checks',
    checks,
    '## Changes',
    changes,
    '## Kept',
    kept.join('\n\n'),
    '## Next',
    next.join('\n'),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** `11 of 12 passed, 1 skipped`. */
function describeSummary({ tests, passed, failed, skipped }: TestSummary): string {
  const rest = [failed > 0 ? `${failed} failed` : '', skipped > 0 ? `${skipped} skipped` : ''].filter(
    (one) => one !== '',
  );
  return [`${passed} of ${tests} passed`, ...rest].join(', ');
}

/** What a person can do with it. */
function nextCommands({ job }: HandOffFacts): string[] {
  return [`holdfast diff ${job.number}`, `holdfast checkout ${job.number} DIR`, `holdfast fixup ${job.number}`];
}

function show(lines: number | null): string {
  return lines === null ? 'binary' : String(lines);
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** Names and titles are others' words: nothing of them becomes a line, a cell or a mark of ours. */
function plain(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f`|<>]/g, ' ').trim();
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n');
}
