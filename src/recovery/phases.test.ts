import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { fail } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { orderPhases, runPhases, type Phase } from './phases.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const options = { clock: systemClock, log: silent, retryWaitsMs: [1, 1, 1] };

function phase(name: string, after: string[], run: Phase['run'] = async () => ({})): Phase {
  return { name, after, critical: true, run };
}

test('phases run after what they need, otherwise as declared', () => {
  const ordered = orderPhases([phase('c', ['a', 'b']), phase('b', []), phase('a', ['b'])]);
  assert.deepEqual(
    ordered.map((one) => one.name),
    ['b', 'a', 'c'],
  );
});

test('a cycle refuses to start and names its members', () => {
  assert.throws(() => orderPhases([phase('a', ['b']), phase('b', ['a']), phase('c', [])]), /a, b/);
});

test('an unknown name refuses to start and is named', () => {
  assert.throws(() => orderPhases([phase('a', ['nowhere'])]), /"nowhere"/);
});

test('a critical phase is tried four times, then its error goes up', async () => {
  let tries = 0;
  const failing = phase('a', [], async () => {
    tries += 1;
    throw new Error('no');
  });
  await assert.rejects(runPhases([failing], options), /no/);
  assert.equal(tries, 4);
});

test('a critical phase that succeeds at the third try counts two retries', async () => {
  let tries = 0;
  const flaky = phase('a', [], async () => {
    tries += 1;
    if (tries < 3) throw new Error('not yet');
    return { done: 1 };
  });
  const { phases } = await runPhases([flaky], options);
  assert.deepEqual(
    phases.map(({ name, ok, retries }) => ({ name, ok, retries })),
    [{ name: 'a', ok: true, retries: 2 }],
  );
});

test('an error that repetition cannot mend is not tried again', async () => {
  let tries = 0;
  const corrupt = phase('a', [], async () => {
    tries += 1;
    throw fail('store-corrupt', 'here');
  });
  await assert.rejects(runPhases([corrupt], options), /damaged/);
  assert.equal(tries, 1);
});

test('another phase that fails only degrades the start, and the next ones run', async () => {
  const ran: string[] = [];
  const broken = phase('bad', [], async () => {
    throw new Error('broken');
  });
  const bad = { ...broken, critical: false };
  const good = phase('good', ['bad'], async () => {
    ran.push('good');
    return {};
  });
  const result = await runPhases([bad, good], options);
  assert.deepEqual(ran, ['good']);
  assert.deepEqual(result.degraded, [{ resource: 'phase:bad', why: 'broken' }]);
});

test('a degraded phase names resources, once each, and what fails whole is named itself; the others run', async () => {
  let tries = 0;
  const flaky: Phase = {
    name: 'locks',
    after: [],
    critical: true,
    run: async (degrade) => {
      degrade('lock:repo-b', 'its record is damaged');
      tries += 1;
      if (tries < 3) throw new Error('not yet');
      return { valid: 2 };
    },
  };
  const failing: Phase = {
    name: 'callbacks',
    after: ['locks'],
    critical: false,
    run: async () => {
      throw new Error('no');
    },
  };
  const done = await runPhases([flaky, failing, phase('accept', ['callbacks'])], options);
  assert.deepEqual(done.degraded, [
    { resource: 'lock:repo-b', why: 'its record is damaged' },
    { resource: 'phase:callbacks', why: 'no' },
  ]);
  assert.deepEqual(
    done.phases.map(({ name, ok, retries, counts }) => ({ name, ok, retries, counts })),
    [
      { name: 'locks', ok: true, retries: 2, counts: { valid: 2 } },
      { name: 'callbacks', ok: false, retries: 0, counts: {} },
      { name: 'accept', ok: true, retries: 0, counts: {} },
    ],
  );
});
