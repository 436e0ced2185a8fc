import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge, type AttemptFacts, type ExitFacts, type Verdict, type VerdictKind } from './verdict.ts';

const ENDED: ExitFacts = {
  started: true,
  code: 0,
  signal: null,
  execErrno: null,
  stoppedBy: null,
  reason: null,
  bytesOut: 10,
  bytesErr: 0,
};
const NOT_STARTED: ExitFacts = { ...ENDED, started: false, code: null, bytesOut: 0 };

/** An attempt of this host, boot and namespace whose keeper claimed it and whose agent was recorded; all of it dead. */
const DEAD: AttemptFacts = {
  bad: null,
  claim: 'keeper',
  sameHost: true,
  sameBoot: true,
  sameNamespace: true,
  foreignKeeperAnswers: false,
  agentRecorded: true,
  keeperAlive: false,
  agentAlive: false,
  straysAlive: false,
  exit: null,
  finalResult: false,
  lookedTwice: true,
};

/**
 * The table of the design once more, row by row, written from its words and not from the code: what the row asks for
 * beyond the rows before it, and what it says then.
 */
const TABLE: readonly { row: number; holds: (facts: AttemptFacts) => boolean; says: VerdictKind }[] = [
  { row: 0, holds: (f) => f.bad !== null, says: 'QUARANTINE' },
  { row: 1, holds: (f) => f.exit !== null && f.keeperAlive, says: 'ENDING' },
  { row: 2, holds: (f) => f.exit !== null && (f.agentAlive || f.straysAlive), says: 'STRAYS' },
  { row: 3, holds: (f) => f.exit?.started === false, says: 'NEVER_RAN' },
  { row: 4, holds: (f) => f.exit !== null, says: 'FINISHED' },
  { row: 5, holds: (f) => f.claim === 'none', says: 'NOT_STARTED' },
  { row: 6, holds: (f) => f.claim === 'tombstone', says: 'SEALED' },
  { row: 7, holds: (f) => !f.sameHost, says: 'FOREIGN' },
  { row: 8, holds: (f) => !f.sameBoot && !f.agentRecorded, says: 'NEVER_RAN' },
  { row: 9, holds: (f) => !f.sameBoot && f.finalResult, says: 'FINISHED_BY_OUTPUT' },
  { row: 9, holds: (f) => !f.sameBoot, says: 'INTERRUPTED' },
  { row: 10, holds: (f) => f.sameNamespace && f.keeperAlive, says: 'RUNNING' },
  { row: 11, holds: (f) => !f.sameNamespace && f.foreignKeeperAnswers, says: 'QUARANTINE' },
  { row: 11, holds: (f) => !f.sameNamespace && !f.agentRecorded, says: 'NEVER_RAN' },
  { row: 11, holds: (f) => !f.sameNamespace && f.finalResult, says: 'FINISHED_BY_OUTPUT' },
  { row: 11, holds: (f) => !f.sameNamespace, says: 'INTERRUPTED' },
  { row: 12, holds: (f) => !f.lookedTwice, says: 'LOOK_AGAIN' },
  { row: 13, holds: (f) => !f.agentRecorded, says: 'NEVER_RAN' },
  { row: 14, holds: (f) => f.agentAlive, says: 'ORPHAN_RUNNING' },
  { row: 15, holds: (f) => f.straysAlive, says: 'STRAYS' },
  { row: 16, holds: (f) => f.finalResult, says: 'FINISHED_BY_OUTPUT' },
  { row: 17, holds: () => true, says: 'INTERRUPTED' },
];

/** Every value each fact can have, as far as the verdict could tell values apart. */
const DOMAIN: { [K in keyof AttemptFacts]: readonly AttemptFacts[K][] } = {
  bad: [null, 'claim: its sum does not match'],
  claim: ['none', 'tombstone', 'keeper'],
  sameHost: [true, false],
  sameBoot: [true, false],
  sameNamespace: [true, false],
  foreignKeeperAnswers: [true, false],
  agentRecorded: [true, false],
  keeperAlive: [true, false],
  agentAlive: [true, false],
  straysAlive: [true, false],
  exit: [
    null,
    ENDED,
    { ...ENDED, code: null, signal: 'SIGKILL' },
    NOT_STARTED,
    { ...NOT_STARTED, execErrno: 'ENOENT' },
  ],
  finalResult: [true, false],
  lookedTwice: [true, false],
};

function* everyCombination(): Generator<AttemptFacts> {
  let all: Partial<AttemptFacts>[] = [{}];
  for (const [key, values] of Object.entries(DOMAIN)) {
    all = all.flatMap((facts) => values.map((value) => ({ ...facts, [key]: value })));
  }
  for (const facts of all) yield { ...DEAD, ...facts };
}

describe('judge', () => {
  it('says what the table says, for every combination of facts', () => {
    let combinations = 0;
    const hits = new Map<string, number>();
    for (const facts of everyCombination()) {
      combinations += 1;
      const expected = TABLE.find(({ holds }) => holds(facts)) ?? assert.fail('the table has no row for this');
      const { row, kind } = judge(facts);
      const said = `row ${row}: ${kind}`;
      if (said !== `row ${expected.row}: ${expected.says}`) {
        assert.fail(`${said}, but the table says row ${expected.row}: ${expected.says} of ${JSON.stringify(facts)}`);
      }
      hits.set(said, (hits.get(said) ?? 0) + 1);
    }
    assert.equal(combinations, 2 * 3 * 5 * 2 ** 10);
    assert.equal(hits.size, TABLE.length, 'a row of the table is never reached');
  });

  const examples: Record<string, { facts: Partial<AttemptFacts>; verdict: Verdict }> = {
    'row 0: a record that cannot be trusted outweighs everything': {
      facts: { bad: 'exit.json: its sum does not match', exit: ENDED, keeperAlive: true },
      verdict: { kind: 'QUARANTINE', row: 0, why: 'exit.json: its sum does not match' },
    },
    'row 1: the exit record is written, the keeper still ends what is left': {
      facts: { exit: ENDED, keeperAlive: true, straysAlive: true },
      verdict: { kind: 'ENDING', row: 1 },
    },
    'row 2: the keeper was killed before it had ended the strays': {
      facts: { exit: ENDED, straysAlive: true },
      verdict: { kind: 'STRAYS', row: 2 },
    },
    'row 3: the command could not be executed': {
      facts: { exit: { ...NOT_STARTED, execErrno: 'ENOENT' }, agentRecorded: false },
      verdict: { kind: 'NEVER_RAN', row: 3, execErrno: 'ENOENT' },
    },
    'row 3: the keeper failed after its claim': {
      facts: { exit: NOT_STARTED, agentRecorded: false },
      verdict: { kind: 'NEVER_RAN', row: 3, execErrno: null },
    },
    'row 4: it finished while the server was down, also across a reboot': {
      facts: { exit: { ...ENDED, code: 7 }, sameBoot: false },
      verdict: { kind: 'FINISHED', row: 4, exit: { ...ENDED, code: 7 } },
    },
    'row 5: intended, and nobody claimed it': {
      facts: { claim: 'none', agentRecorded: false },
      verdict: { kind: 'NOT_STARTED', row: 5 },
    },
    'row 6: sealed by a server': {
      facts: { claim: 'tombstone', agentRecorded: false },
      verdict: { kind: 'SEALED', row: 6 },
    },
    'row 7: claimed on another host, where pids mean nothing here': {
      facts: { sameHost: false, keeperAlive: true },
      verdict: { kind: 'FOREIGN', row: 7 },
    },
    'row 8: the host went down before the agent was recorded': {
      facts: { sameBoot: false, agentRecorded: false },
      verdict: { kind: 'NEVER_RAN', row: 8, execErrno: null },
    },
    'row 9: the host went down after the final result': {
      facts: { sameBoot: false, finalResult: true },
      verdict: { kind: 'FINISHED_BY_OUTPUT', row: 9 },
    },
    'row 9: the host went down in the middle; a process with the same pid means nothing': {
      facts: { sameBoot: false, agentAlive: true, keeperAlive: true },
      verdict: { kind: 'INTERRUPTED', row: 9 },
    },
    'row 10: the keeper lives': {
      facts: { keeperAlive: true, agentAlive: true },
      verdict: { kind: 'RUNNING', row: 10 },
    },
    'row 10: the keeper lives and has not recorded its agent yet': {
      facts: { keeperAlive: true, agentRecorded: false, lookedTwice: false },
      verdict: { kind: 'RUNNING', row: 10 },
    },
    'row 11: its keeper lives in a container beside us': {
      facts: { sameNamespace: false, foreignKeeperAnswers: true, keeperAlive: true },
      verdict: { kind: 'QUARANTINE', row: 11, why: 'its keeper lives in another pid namespace beside this server' },
    },
    'row 11: its container is gone, and it never ran': {
      facts: { sameNamespace: false, agentRecorded: false },
      verdict: { kind: 'NEVER_RAN', row: 11, execErrno: null },
    },
    'row 11: its container is gone after the final result': {
      facts: { sameNamespace: false, finalResult: true },
      verdict: { kind: 'FINISHED_BY_OUTPUT', row: 11 },
    },
    'row 11: its container is gone in the middle': {
      facts: { sameNamespace: false, agentAlive: true },
      verdict: { kind: 'INTERRUPTED', row: 11 },
    },
    'row 12: a keeper seen dead for the first time may have ended between two looks': {
      facts: { lookedTwice: false, agentAlive: true },
      verdict: { kind: 'LOOK_AGAIN', row: 12 },
    },
    'row 13: the keeper died before its agent was let go': {
      facts: { agentRecorded: false },
      verdict: { kind: 'NEVER_RAN', row: 13, execErrno: null },
    },
    'row 14: the keeper was killed, its agent works on': {
      facts: { agentAlive: true, straysAlive: true },
      verdict: { kind: 'ORPHAN_RUNNING', row: 14 },
    },
    'row 15: keeper and agent were killed, a tool works on': {
      facts: { straysAlive: true, finalResult: true },
      verdict: { kind: 'STRAYS', row: 15 },
    },
    'row 16: nothing lives, and the agent had said its last word': {
      facts: { finalResult: true },
      verdict: { kind: 'FINISHED_BY_OUTPUT', row: 16 },
    },
    'row 17: nothing lives, and no result': { facts: {}, verdict: { kind: 'INTERRUPTED', row: 17 } },
  };
  for (const [name, { facts, verdict }] of Object.entries(examples)) {
    it(name, () => assert.deepEqual(judge({ ...DEAD, ...facts }), verdict));
  }

  it('has an example of every row', () => {
    const shown = new Set(Object.values(examples).map(({ verdict }) => `${verdict.row} ${verdict.kind}`));
    assert.deepEqual([...shown].toSorted(), [...new Set(TABLE.map(({ row, says }) => `${row} ${says}`))].toSorted());
  });

  it('never lets a second worker start while something of the first may live', () => {
    const opensTheWay: readonly VerdictKind[] = [
      'NEVER_RAN',
      'FINISHED',
      'FINISHED_BY_OUTPUT',
      'INTERRUPTED',
      'SEALED',
    ];
    for (const facts of everyCombination()) {
      const here = facts.sameHost && facts.sameBoot && facts.sameNamespace && facts.claim === 'keeper';
      const lives = facts.keeperAlive || (facts.agentRecorded && (facts.agentAlive || facts.straysAlive));
      if (here && lives) assert.ok(!opensTheWay.includes(judge(facts).kind), JSON.stringify(facts));
    }
  });
});
