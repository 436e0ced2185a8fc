import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandOffFacts } from '../lifecycle/stage-rules.ts';
import { reportAsJson, reportAsMarkdown } from './hand-off-report.ts';

const FACTS: HandOffFacts = {
  job: { id: 'job_1', number: 7 },
  title: 'Greet | `people`\n# by name',
  repository: 'demo',
  branch: 'holdfast/7-greet-people',
  base: { branch: 'main', commit: 'b'.repeat(40) },
  candidate: 'c'.repeat(40),
  commits: 2,
  files: [
    { path: 'src/greet.js', added: 3, removed: 1 },
    { path: 'logo.png', added: null, removed: null },
  ],
  gates: [
    {
      id: 'job_1/2/npm test',
      jobId: 'job_1',
      epoch: 2,
      stage: 'verify',
      gate: 'npm test',
      result: 'PASS',
      why: null,
      candidate: 'c'.repeat(40),
      attempt: 2,
      evidence: ['e'.repeat(64)],
      summary: { format: 'tap', tests: 12, passed: 11, failed: 0, skipped: 1, failing: [] },
      recordedAt: 5,
    },
  ],
  evidence: [],
  patchSha256: 'p'.repeat(64),
  transcriptSha256: null,
};

test('a report names branch, checks with their evidence, changes, and what to do next', () => {
  const text = reportAsMarkdown(FACTS);
  assert.match(text, /^# Job 7: Greet +people +# by name\n/);
  assert.match(text, /Branch `holdfast\/7-greet-people` at `c{40}`: 2 commits on `main`/);
  assert.match(text, /\| `npm test` \| PASS \| 11 of 12 passed, 1 skipped \| 2 \| `e{12}` \|/);
  assert.match(text, /\| `logo\.png` \| binary \| binary \|/);
  assert.match(text, /holdfast checkout 7 DIR/);
  const parsed = JSON.parse(reportAsJson(FACTS)) as { v: number; gates: unknown[]; next: string[] };
  assert.deepEqual([parsed.v, parsed.gates.length, parsed.next.length], [1, 1, 3]);
});

test('work that nothing checked says so', () => {
  assert.match(reportAsMarkdown({ ...FACTS, gates: [] }), /look at it before you use it/);
});
