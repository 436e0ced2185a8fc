import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventBacklog } from './event-backlog.ts';

function entry(seq: number): { seq: number; frame: string } {
  return { seq, frame: `${seq};` };
}

function seqsOf(bytes: Buffer): number[] {
  return bytes.toString().split(';').slice(0, -1).map(Number);
}

test('it tells nothing before it knows where it begins', () => {
  const backlog = new EventBacklog();
  backlog.add([entry(5), entry(6)]);
  assert.equal(backlog.read(5), 'behind');
  backlog.open(5);
  assert.equal(backlog.floor, 5);
  assert.equal(backlog.read(4), 'behind');
  const page = backlog.read(5);
  assert.ok(page !== null && page !== 'behind');
  assert.deepEqual([seqsOf(page.bytes), page.seq], [[6], 6]);
  assert.equal(backlog.read(6), null);
  assert.equal(backlog.read(99), null);
});

test('readers at one place share one page', () => {
  const backlog = new EventBacklog();
  backlog.open(0);
  backlog.add([entry(1), entry(2)]);
  assert.equal(backlog.read(0), backlog.read(0));
  backlog.add([entry(3)]);
  const page = backlog.read(0);
  assert.ok(page !== null && page !== 'behind');
  assert.deepEqual(seqsOf(page.bytes), [1, 2, 3]);
});

test('what it drops raises its floor, also before it knows where it begins', () => {
  const backlog = new EventBacklog(2);
  backlog.add([entry(1), entry(2), entry(3)]);
  backlog.open(0);
  assert.equal(backlog.floor, 1);
  backlog.add([entry(4), entry(9)]);
  assert.equal(backlog.floor, 3);
  assert.equal(backlog.read(2), 'behind');
  const page = backlog.read(3);
  assert.ok(page !== null && page !== 'behind');
  assert.deepEqual(seqsOf(page.bytes), [4, 9]);
});

test('its memory is bounded by what events hold, too', () => {
  const backlog = new EventBacklog();
  backlog.open(0);
  const frame = 'x'.repeat(2 ** 20);
  for (let seq = 1; seq <= 20; seq++) backlog.add([{ seq, frame }]);
  assert.equal(backlog.floor, 12);
});

test('from any position, with any commits between, each event is read once and in order', () => {
  const step = fc.oneof(
    fc.record({ commit: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }) }),
    fc.record({ read: fc.nat({ max: 4 }) }),
    fc.constant({ open: true }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (steps, most) => {
      const backlog = new EventBacklog(most);
      const store: number[] = [];
      const readers = Array.from({ length: 5 }, () => ({ at: 0, seen: [] as number[] }));
      const read = (reader: { at: number; seen: number[] }): boolean => {
        const page = backlog.read(reader.at);
        const found = page === 'behind' ? store.filter((seq) => seq > reader.at).slice(0, 2) : [];
        const seqs = page === null ? [] : page === 'behind' ? found : seqsOf(page.bytes);
        reader.seen.push(...seqs);
        reader.at = seqs.at(-1) ?? reader.at;
        return seqs.length > 0;
      };
      for (const one of steps) {
        if ('commit' in one) {
          const seqs: number[] = [];
          for (const gap of one.commit) seqs.push((seqs.at(-1) ?? store.at(-1) ?? 0) + gap);
          store.push(...seqs);
          backlog.add(seqs.map(entry));
        } else if ('open' in one) backlog.open(store.at(-1) ?? 0);
        else {
          const reader = readers[one.read];
          if (reader !== undefined) read(reader);
        }
      }
      for (const reader of readers) {
        while (read(reader));
        assert.deepEqual(reader.seen, store);
      }
    }),
  );
});
