import assert from 'node:assert/strict';
import { test } from 'node:test';
import pc from 'picocolors';
import type { JobView, StatisticView } from '../api/contract.ts';
import { describeEstimate, renderStatistics, STATISTICS_LEGEND, whenStarts } from './statistics-view.ts';

const view = { colours: pc.createColors(false), width: null, now: 0 };

function tell(state: JobView['state'], estimate: Partial<NonNullable<JobView['estimate']>>): string | null {
  const none = { startInMs: null, remainingMs: null, durationP50Ms: null, durationP90Ms: null, samples: 0 };
  // Only these two fields are looked at.
  return describeEstimate({ state, estimate: { ...none, ...estimate } } as JobView);
}

const USUAL = { durationP50Ms: 240_000, durationP90Ms: 540_000, samples: 37 };

test('an estimate says when a job begins, how long it usually takes, and what is left', () => {
  assert.equal(tell('created', USUAL), 'usually 4m–9m here (P50–P90 of 37 runs)');
  assert.equal(
    tell('running', { ...USUAL, remainingMs: 90_000 }),
    'usually 4m–9m here (P50–P90 of 37 runs), about 1m 30s left',
  );
  assert.equal(tell('running', USUAL), 'usually 4m–9m here (P50–P90 of 37 runs), longer than nine of ten');
  assert.equal(
    tell('queued', { ...USUAL, startInMs: 300_000 }),
    'begins in about 5m, usually 4m–9m here (P50–P90 of 37 runs)',
  );
  assert.equal(tell('queued', { startInMs: 0 }), 'begins now');
  assert.equal(tell('queued', { ...USUAL, durationP90Ms: 240_000 }), 'usually 4m here (P50–P90 of 37 runs)');
});

test('what cannot be told is not told', () => {
  assert.equal(tell('queued', { samples: 4 }), null);
  assert.equal(describeEstimate({ state: 'queued', estimate: null } as JobView), null);
  assert.equal(whenStarts(null), '–');
});

test('the table shows median and 90th percentile of each stage, and a dash where nothing was timed', () => {
  const durations = { samples: 12, p50Ms: 60_000, p90Ms: 125_000 };
  const item: StatisticView = {
    repository: 'app',
    agent: 'exec\u001b[2J',
    ended: { success: 9, failure: 2, cancelled: 4, timed_out: 1 },
    failureRate: 0.25,
    stages: { waiting: { ...durations, p50Ms: 0 }, preparing: null, running: durations, whole: durations },
    leftOut: { downtime: 0, clock: 0 },
  };
  const [head = '', row = '', others = ''] = renderStatistics(
    [item, { ...item, repository: null, agent: null }],
    view,
  ).split('\n');
  assert.match(
    head,
    /^REPOSITORY +AGENT +ENDED +OK +FAILED +CANCELLED +FAILURE RATE +WAITED +PREPARED +RAN +IN ALL +TIMED$/,
  );
  assert.match(row, /^app +exec.* 16 +9 +3 +4 +25\.0 % +0ms \/ 2m 5s +– +1m \/ 2m 5s +1m \/ 2m 5s +12$/);
  assert.ok(!row.includes('\u001b'), 'an escape sequence of a name reached the terminal');
  assert.match(others, /^\(others\) /);
  const stages = ['WAITED', 'PREPARED', 'RAN', 'IN ALL', 'TIMED'];
  for (const name of stages) assert.ok(head.includes(name) && STATISTICS_LEGEND.includes(name), name);
});
