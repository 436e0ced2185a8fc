/** What tests told, out of texts nobody vouches for: TAP and JUnit XML, whole ones and broken ones. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { TestSummary } from '../lifecycle/stage.ts';
import { MAX_REPORT_BYTES, readJunit } from './read-junit.ts';
import { readTap } from './read-tap.ts';

const tap = (...lines: string[]): TestSummary | null => readTap(Buffer.from(lines.join('\n')));
const junit = (...files: string[]): TestSummary | null => readJunit(files.map((text) => Buffer.from(text)));
const counts = (summary: TestSummary | null): number[] | null =>
  summary === null ? null : [summary.tests, summary.passed, summary.failed, summary.skipped];

describe('TAP', () => {
  test('is counted at its top level, whatever is printed in between', () => {
    const summary = tap(
      '> npm test',
      'TAP version 14',
      '# Subtest: adds',
      '    ok 1 - inner',
      '    not ok 2 - inner',
      '    1..2',
      'not ok 1 - adds',
      '  ---',
      "  message: 'ok 9 - not a result'",
      '  ...',
      'ok 2 - subtracts',
      'ok 3 - divides # SKIP not today',
      'not ok 4 - multiplies # TODO later',
      'not ok',
      '1..5',
      '# fail 2',
    );
    assert.deepEqual(summary, {
      format: 'tap',
      tests: 5,
      passed: 1,
      failed: 2,
      skipped: 2,
      failing: ['adds', 'test 5'],
    });
    assert.deepEqual(counts(tap('1..0 # skipped')), [0, 0, 0, 0]);
    assert.deepEqual(counts(tap('1..1\r', 'ok 1\r')), [1, 1, 0, 0]);
  });

  test('that is not whole gives no summary', () => {
    const broken = [
      ['ok 1', 'ok 2'],
      ['1..3', 'ok 1', 'ok 2'],
      ['1..1', 'ok 1', '1..1', 'ok 1'],
      ['1..2', 'ok 1', 'ok 1'],
      ['1..2', 'ok 1', 'ok 7'],
      ['1..2', 'ok 1', 'Bail out! no database'],
      ['okay', 'notok 1'],
      [''],
    ];
    for (const lines of broken) assert.equal(tap(...lines), null, lines.join(' / '));
  });

  test('names the first failures, one line each', () => {
    const many = Array.from({ length: 50 }, (_, at) => `not ok ${at + 1} - \u001b[31mred\tone ${'x'.repeat(500)}`);
    const summary = tap(...many, '1..50');
    assert.deepEqual([summary?.failed, summary?.failing.length], [50, 20]);
    assert.match(summary?.failing[0] ?? '', /^\[31mred one x+$/);
    assert.equal(summary?.failing[0]?.length, 200);
  });
});

describe('JUnit XML', () => {
  const SUITE = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="99" failures="0"><testsuite name="math">
  <testcase classname="math" name="adds"><failure message="2 &lt; 3"><![CDATA[<testcase/>]]></failure></testcase>
  <testcase classname="math" name="subtracts"><system-out>failure</system-out></testcase>
  <testcase name="divides"><skipped/></testcase>
  <testcase name="breaks"><skipped/><error/></testcase>
</testsuite></testsuites>`;

  test('is counted by its tests, not by what it says of itself', () => {
    assert.deepEqual(junit(SUITE), {
      format: 'junit',
      tests: 4,
      passed: 1,
      failed: 2,
      skipped: 1,
      failing: ['math › adds', 'breaks'],
    });
    assert.deepEqual(counts(junit(SUITE, '<testsuite><testcase name="a"/></testsuite>')), [5, 2, 2, 1]);
    assert.deepEqual(counts(junit('<testsuite/>')), [0, 0, 0, 0]);
  });

  test('with a document type, or entities of its own, is not read', () => {
    const bomb = `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>`;
    const file =
      '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/hostname">]><testsuite><testcase name="&x;"/></testsuite>';
    for (const text of [
      bomb,
      file,
      '<!DOCTYPE testsuite><testsuite/>',
      '<testsuite><testcase name="&x;"/></testsuite>',
    ])
      assert.equal(junit(text), null, text);
  });

  test('that is malformed, too long, too deep or something else gives no summary', () => {
    const deep = '<testsuite>'.repeat(100) + '</testsuite>'.repeat(100);
    const nested = '<testsuite><testcase name="a"><testcase name="b"/></testcase></testsuite>';
    const broken = ['', ' ', 'no xml', '<coverage/>', '<testsuite>', '<testsuite></testsuites>', deep, nested];
    for (const text of [...broken, `${SUITE}<testsuite/>`, SUITE.slice(0, -20)]) assert.equal(junit(text), null, text);
    assert.equal(junit(SUITE, '<coverage/>'), null, 'half of a run would mislead');
    assert.equal(junit(`<testsuite>${' '.repeat(MAX_REPORT_BYTES)}</testsuite>`), null);
    assert.equal(readJunit([]), null);
    assert.equal(readJunit([Uint8Array.of(0xff, 0xfe, 0x3c, 0)]), null);
  });
});

test('no text makes reading fail, and every summary adds up', () => {
  const words = [
    'ok ',
    'not ok ',
    '1..',
    '2',
    '3',
    '\n',
    ' - ',
    '#',
    '<testsuite>',
    '</testsuite>',
    '<testcase name="a">',
    '</testcase>',
    '<failure/>',
    '&lt;',
    '<!DOCTYPE a>',
    'x',
  ];
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...words)).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, (one) => {
      for (const summary of [tap(one), junit(one)]) {
        if (summary === null) continue;
        assert.equal(summary.passed + summary.failed + summary.skipped, summary.tests);
        assert.ok(summary.failing.length <= summary.failed);
      }
    }),
    { numRuns: 500 },
  );
});
