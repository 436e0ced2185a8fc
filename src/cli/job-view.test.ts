import assert from 'node:assert/strict';
import { test } from 'node:test';
import pc from 'picocolors';
import type { AttemptView, BootView, JobView } from '../api/contract.ts';
import { JOB_STATES } from '../lifecycle/transitions.ts';
import { commandForAction, renderJob, renderJobs, renderQueue, showState, type View } from './job-view.ts';
import { renderBoots, renderReport } from './report-view.ts';

const now = Date.parse('2026-03-01T12:00:00.000Z');
const view: View = { colours: pc.createColors(false), width: null, now };
const HOSTILE = 'x\u001b]0;owned\u0007\u001b[2J\r\n\u202ey';

const job: JobView = {
  id: 'job_1',
  number: 12,
  repositories: ['app'],
  phase: null,
  after: [],
  waitingFor: [],
  estimate: null,
  repository: 'web',
  packet: null,
  packetSha256: null,
  prompt: HOSTILE,
  agent: 'exec',
  pipeline: 'implement',
  state: 'blocked',
  stage: 'implement',
  outcome: null,
  reason: 'fix_config',
  frozen: false,
  priority: 3,
  queueSeq: 5,
  queuePosition: null,
  attempts: 1,
  sessionId: null,
  workspace: '/h/jobs/job_1/workspace',
  workspaceSetAside: null,
  workspaceRemovedAt: null,
  workspaceKeptUntil: null,
  keptUntil: null,
  outputBytes: 2048,
  outputFile: '/h/jobs/job_1/attempts/1/output',
  sentinelFile: '/h/jobs/job_1/attempts/1/sentinel.json',
  exitCode: null,
  blocker: `cannot ${HOSTILE}`,
  nextSafeAction: 'fix_config',
  recovery: 'none',
  pendingAttempt: null,
  lastDurableArtifact: null,
  createdAt: '2026-03-01T11:50:00.000Z',
  queuedAt: '2026-03-01T11:50:00.000Z',
  startedAt: '2026-03-01T11:51:00.000Z',
  finishedAt: null,
  deadlineAt: null,
  version: 4,
};

const attempt: AttemptView = {
  id: 'att_1',
  jobId: 'job_1',
  number: 1,
  state: 'interrupted',
  stage: 'implement',
  gate: null,
  task: null,
  epoch: 1,
  fence: 1,
  mode: 'cold',
  sessionId: null,
  limits: { wallMs: 1, idleMs: 1, outputBytes: 1 },
  boot: 'boot_1',
  agent: { pid: 4711, start: '99' },
  keeper: null,
  verdict: 'INTERRUPTED',
  exitCode: null,
  exitSignal: 'SIGKILL',
  stoppedBy: null,
  outputBytes: 2048,
  outputSha256: null,
  outputFile: '/h/jobs/job_1/attempts/1/output',
  stalled: false,
  evidenceLevel: 'token',
  note: HOSTILE,
  intendedAt: '2026-03-01T11:51:00.000Z',
  startedAt: '2026-03-01T11:51:00.000Z',
  endedAt: '2026-03-01T11:53:00.000Z',
  version: 2,
};

const boot: BootView = {
  bootId: 'boot_2',
  previousBootId: 'boot_1',
  previousStop: 'crash',
  hostBoot: 'h',
  pid: 9,
  startedAt: '2026-03-01T11:59:00.000Z',
  readyAt: '2026-03-01T11:59:01.000Z',
  stoppedAt: null,
  report: {
    bootId: 'boot_2',
    previousBootId: 'boot_1',
    previousStop: 'crash',
    downSeconds: 90,
    recoveryMs: 212,
    phases: [
      { name: 'store', ms: 12, ok: true, retries: 0 },
      { name: 'attempts', ms: 40, ok: false, retries: 2 },
    ],
    jobs: [
      {
        id: 'job_1',
        number: 12,
        stateBefore: 'running',
        stageBefore: 'implement',
        verdict: 'RUNNING',
        outcome: 'reattached',
        evidence: [{ kind: 'claim', path: `/h/${HOSTILE}`, note: 'pid 4711 alive' }],
        worker: { attempt: 1, pid: 4711, start: '99', alive: true },
        lastDurableArtifact: null,
        outputBytesBefore: 1024,
        outputBytesNow: 3072,
        workLostSeconds: 0,
        blocker: null,
        nextSafeAction: 'wait',
        command: 'holdfast wait 12',
      },
    ],
    locks: [{ key: 'repo:web', decision: 'removed', why: 'its holder is dead' }],
    leases: [],
    deliveries: [],
    removals: [],
    orphans: [{ kind: 'workspace', path: '/h/jobs/x', note: 'unknown' }],
    corruption: { checked: 10, ok: 9, corrupt: 1, rate: 0.1, files: ['exit.json'], complete: false },
    degraded: ['lock:repo-B'],
    warnings: [`mind ${HOSTILE}`],
  },
};

function assertHarmless(text: string): void {
  assert.doesNotMatch(
    text,
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/,
    'a control character got through',
  );
}

test('every state is told by a sign and a word, not by colour alone', () => {
  const shown = JOB_STATES.map((state) => showState(state, view.colours));
  assert.equal(new Set(shown.map((text) => text.split(' ')[0])).size, JOB_STATES.length);
  for (const [i, text] of shown.entries()) assert.ok(text.endsWith(JOB_STATES[i] ?? '?'));
});

test('a job is shown with its blocker, the exact next command, its attempts and its paths', () => {
  const text = renderJob({ job, attempts: [attempt] }, view);
  assertHarmless(text);
  const expected = [
    'Job 12',
    'blocked',
    'fix_config',
    'cannot',
    'holdfast doctor, then holdfast retry 12',
    '4711',
    'SIGKILL',
  ];
  for (const part of [...expected, 'INTERRUPTED', '2.0 KiB', '10m ago', '/h/jobs/job_1/workspace', 'sentinel.json']) {
    assert.ok(text.includes(part), `${part} is missing in\n${text}`);
  }
});

test('lists are one line per job, whatever the prompt holds', () => {
  for (const text of [renderJobs([job, { ...job, prompt: 'y'.repeat(2 ** 20) }], view), renderQueue([job], view)]) {
    assertHarmless(text);
  }
  assert.equal(renderJobs([job, job], view).split('\n').length, 4);
  const narrow = renderJobs([{ ...job, prompt: 'word '.repeat(50) }], { ...view, width: 90 });
  for (const line of narrow.split('\n')) assert.ok(line.length <= 90, line);
});

test('each action but none has a command that names the job or a page to read', () => {
  assert.equal(commandForAction('none', 3), null);
  const actions = ['wait', 'start', 'resume', 'retry', 'review', 'fixup', 'fix_config', 'abandon'] as const;
  for (const action of actions) assert.match(commandForAction(action, 3) ?? '', /^holdfast .*3$/);
  assert.equal(commandForAction('inspect_quarantine', 3), 'holdfast recovery report');
  assert.equal(commandForAction('free_disk', 3), 'holdfast doctor');
});

test('the report tells what was found, on what evidence, what was done and what to do next', () => {
  const text = renderReport(boot, view);
  assertHarmless(text);
  const expected = [
    'boot_2',
    'crash',
    'down 1m 30s',
    '212ms',
    'store 12ms',
    '✗ attempts 40ms (2 retries)',
    'job 12 reattached',
  ];
  const more = [
    'was running',
    'RUNNING',
    'pid 4711',
    'alive',
    '3.0 KiB, 2.0 KiB of it',
    'claim: pid 4711 alive',
    'wait: holdfast wait 12',
  ];
  for (const part of [
    ...expected,
    ...more,
    'repo:web: removed',
    'orphan workspace',
    '1 damaged: exit.json',
    'lock:repo-B',
    'mind x',
  ]) {
    assert.ok(text.includes(part), `${part} is missing in\n${text}`);
  }
});

test('a start without a report, a first start and the list are told too', () => {
  assert.match(renderReport({ ...boot, report: null }, view), /has not ended/);
  const { report } = boot;
  assert.ok(report !== null);
  const first = { ...boot, report: { ...report, previousBootId: null, jobs: [] } };
  assert.match(renderReport(first, view), /first start of this home[^]*No job was at work/);
  assert.match(
    renderBoots([boot, { ...boot, report: null, readyAt: null }], view),
    /boot_2 .*crash .*212ms .*1 .*ready\n.*broken off/,
  );
});
