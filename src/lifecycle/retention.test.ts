import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { beginWitness, believedTime, BELIEVED_GAP_MS, witnessTime, type ClockWitness } from './retention.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const START = 1_700_000_000_000;
const LONGEST = 90 * DAY;

/** A machine with a right clock and one that people set; looks every hour while a server runs. */
class Machine {
  now = START;
  shift = 0;
  witness: ClockWitness = beginWitness(START);

  look(passedMs: number): void {
    this.witness = witnessTime(this.witness, { wallAt: this.now + this.shift, passedMs, longestMs: LONGEST });
  }

  run(ms: number): void {
    for (let left = ms; left > 0; left -= HOUR) {
      const step = Math.min(HOUR, left);
      this.now += step;
      this.look(step);
    }
  }

  /** No server, or a sleeping machine. */
  away(ms: number): void {
    this.now += ms;
    this.look(0);
  }

  get believed(): number {
    return believedTime(this.witness);
  }
}

test('a clock that is right is believed, through nights without a server', () => {
  const machine = new Machine();
  for (let day = 0; day < 30; day++) {
    machine.run(14 * HOUR);
    machine.away(10 * HOUR);
  }
  assert.equal(machine.believed, START + 30 * DAY);
  assert.equal(machine.witness.aheadMs, 0);
});

for (const [how, jump] of [
  ['while a server runs', (machine: Machine): void => machine.run(HOUR)],
  ['while there is none', (machine: Machine): void => machine.away(HOUR)],
] as const) {
  test(`a clock set a year ahead ${how} makes nothing a year older, until it is set back`, () => {
    const machine = new Machine();
    machine.run(DAY);
    machine.shift = YEAR;
    jump(machine);
    machine.run(6 * DAY);
    const right = machine.now;
    assert.ok(machine.believed <= right + BELIEVED_GAP_MS, 'at most one day is believed');
    assert.ok(machine.believed >= right, 'what passed counts');
    machine.shift = 0;
    machine.run(HOUR);
    assert.equal(machine.believed, machine.now, 'set back, it is believed at once');
    assert.equal(machine.witness.aheadMs, 0);
  });
}

test('a clock a year behind, then right again, makes nothing older than it is', () => {
  const machine = new Machine();
  machine.run(DAY);
  machine.shift = -YEAR;
  machine.away(HOUR);
  assert.equal(machine.believed, machine.now - YEAR, 'what ended before is not old');
  // What ends now carries this year; once the clock is right again it must not seem a year old.
  const endedAt = machine.now + machine.shift;
  machine.run(DAY);
  machine.shift = 0;
  machine.run(HOUR);
  assert.ok(machine.believed - endedAt <= 2 * DAY + HOUR);
});

test('after the longest span has evidently passed, a clock that stayed ahead is believed', () => {
  const machine = new Machine();
  machine.shift = YEAR;
  machine.run(LONGEST - HOUR);
  assert.ok(machine.witness.aheadMs > 0);
  machine.run(3 * HOUR);
  assert.equal(machine.witness.aheadMs, 0);
  assert.equal(machine.believed, machine.now + YEAR);
});

test('whatever is done to the clock, nothing seems older than it is by more than one day for each time it was set', () => {
  const step = fc.record({
    kind: fc.constantFrom('run', 'away'),
    hours: fc.integer({ min: 1, max: 40 }),
    shift: fc.option(fc.integer({ min: -2 * YEAR, max: 2 * YEAR }), { nil: null }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const machine = new Machine();
      const ends: { really: number; stamped: number; sets: number }[] = [];
      let sets = 0;
      for (const { kind, hours, shift } of steps) {
        ends.push({ really: machine.now, stamped: machine.now + machine.shift, sets });
        if (shift !== null) {
          machine.shift = shift;
          sets += 1;
        }
        machine[kind === 'run' ? 'run' : 'away'](hours * HOUR);
        for (const end of ends) {
          const age = machine.believed - end.stamped;
          const really = machine.now - end.really;
          assert.ok(age <= really + (sets - end.sets) * BELIEVED_GAP_MS, `${age} for ${really}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});
