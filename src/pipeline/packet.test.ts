import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { judgePacket, renderPacket, slugOf, type JudgedPacket } from './packet.ts';

const GOOD = {
  title: 'Sort the list',
  goal: 'The list of jobs is shown newest first, everywhere.',
  acceptance: ['`jobs` prints the newest job first'],
  scope: ['src/cli/**', 'docs/jobs.md'],
  risk: 'low',
};

function good(value: unknown): JudgedPacket {
  const judged = judgePacket(value);
  assert.ok(!('faults' in judged), JSON.stringify(judged));
  return judged;
}

function faultsOf(value: unknown): string {
  const judged = judgePacket(value);
  assert.ok('faults' in judged, 'it was accepted');
  return judged.faults.join('\n');
}

describe('a packet', () => {
  test('with everything misses nothing, and its text holds all of it', () => {
    const { packet, missing } = good({ ...GOOD, links: ['https://example.org/1'], context: 'why' });
    assert.deepEqual(missing, []);
    const text = renderPacket(packet);
    for (const part of [GOOD.title, GOOD.goal, ...GOOD.acceptance, ...GOOD.scope, 'why', 'https://example.org/1']) {
      assert.ok(text.includes(part), part);
    }
  });

  test('that is weak has its missing fields named, empty ones too', () => {
    assert.deepEqual(good({}).missing, ['title', 'goal', 'acceptance', 'scope', 'risk']);
    assert.deepEqual(good({ ...GOOD, goal: 'do it', acceptance: ['  '] }).missing, ['goal', 'acceptance']);
    assert.deepEqual(good({ ...GOOD, risk: undefined }).missing, ['risk']);
  });

  test('has one hash, however it is written down', () => {
    const { title, ...rest } = GOOD;
    assert.equal(good({ ...rest, title: `  ${title} ` }).sha256, good(GOOD).sha256);
    assert.notEqual(good({ ...GOOD, risk: 'high' }).sha256, good(GOOD).sha256);
  });

  test('brings no gates and no results of its own', () => {
    for (const key of ['gates', 'verify', 'review', 'status', 'checks']) {
      assert.match(faultsOf({ ...GOOD, [key]: 'PASS' }), /cannot bring or pass gates/);
    }
    assert.match(faultsOf({ ...GOOD, colour: 'red' }), /no field "colour"$/);
  });

  test('names no path outside the repository', () => {
    for (const path of ['/etc', '../x', 'a/../../b', '.git/hooks', 'sub/.GIT/config', 'C:/x', 'a\\b', '']) {
      assert.match(faultsOf({ ...GOOD, scope: [path] }), /scope\.0: must be a relative path/, path);
    }
  });

  test('of a wrong form is refused field by field', () => {
    assert.match(faultsOf(null), /the packet/);
    assert.match(faultsOf([GOOD]), /the packet/);
    assert.match(faultsOf({ ...GOOD, risk: 'none' }), /^risk: /);
    assert.match(faultsOf({ ...GOOD, title: 'two\nlines' }), /title: must be one line/);
    assert.match(faultsOf({ ...GOOD, links: ['not a url'] }), /^links\.0/);
  });
});

test('whatever a title says, its slug is a plain part of a branch name', () => {
  assert.equal(slugOf('Fix the Login — now!'), 'fix-the-login-now');
  assert.equal(slugOf('日本'), 'work');
  fc.assert(fc.property(fc.string(), (title) => /^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$/.test(slugOf(title))));
});
