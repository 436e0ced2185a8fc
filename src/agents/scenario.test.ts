import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { chooseRound, parseScenario, STEP_KINDS } from './scenario.ts';
import { createScriptedAdapter } from './scripted.ts';

const one = (step: unknown): string => JSON.stringify({ steps: [{ print: 'first' }, step] });

function refused(prompt: string): string {
  try {
    createScriptedAdapter().validate({ prompt, command: null });
  } catch (error) {
    assert.ok(isError(error, 'bad-prompt'), String(error));
    return error.detail;
  }
  assert.fail(`accepted: ${prompt.slice(0, 200)}`);
}

test('every kind of step is read', () => {
  const steps = [
    { print: 'a' },
    { printErr: '' },
    { sleepMs: 400 },
    { busyMs: 0.5 },
    { write: { path: 'a/b.txt', content: 'x' } },
    { append: { path: '.git/config', content: '' } },
    { tool: { argv: ['npm', 'test'] } },
    { daemonise: { path: 'd.txt', tickMs: 10, times: 3 } },
    { commit: 'Do it' },
    { progress: { percent: 40, message: 'half' } },
    { retry: { attempt: 1, delayMs: 500, status: 529 } },
    { ignoreSigterm: true },
    { fail: 'no' },
    { exit: 0 },
    { vanish: 0 },
    { block: 'no access' },
    { verdict: { verdict: 'FAIL' } },
  ];
  const scenario = parseScenario(JSON.stringify({ startsFile: 'starts', steps }));
  assert.equal(scenario.startsFile, 'starts');
  assert.deepEqual(
    scenario.steps.map((step) => step.kind),
    STEP_KINDS,
  );
  assert.deepEqual(scenario.steps[6], { kind: 'tool', work: { argv: ['npm', 'test'] }, newSession: true });
  assert.deepEqual(parseScenario('{"steps":[]}'), { startsFile: null, steps: [], tasks: {} });
});

test('what is played depends on what is asked for, and for which time', () => {
  const scenario = JSON.stringify({
    steps: [{ print: 'work' }],
    tasks: { fix: [[{ print: 'first' }], [{ print: 'second' }]] },
  });
  const played = (kind: 'work' | 'fix' | 'commit', round: number): unknown =>
    parseScenario(chooseRound(scenario, { kind, round })).steps[0];
  assert.deepEqual(played('work', 1), { kind: 'print', text: 'work' });
  assert.deepEqual(played('fix', 1), { kind: 'print', text: 'first' });
  assert.deepEqual(played('fix', 2), { kind: 'print', text: 'second' });
  assert.deepEqual(played('fix', 9), { kind: 'print', text: 'second' }, 'the last again');
  assert.deepEqual(played('commit', 1), { kind: 'print', text: 'work' }, 'the work where there is no other');
  const packet = `# A packet\n\n\`\`\`scenario\n${scenario}\n\`\`\`\n`;
  assert.deepEqual(parseScenario(packet).steps, [{ kind: 'print', text: 'work' }]);
  assert.match(refused('{"steps":[],"tasks":{"fix":[]}}'), /tasks\.fix/);
});

test('what is not understood is refused with the number of the step', () => {
  assert.match(refused(one({ prnt: 'x' })), /step 2: unknown key "prnt"/);
  assert.match(refused(one({ write: { path: 'a', contents: 'x' } })), /step 2: unknown key "contents"/);
  assert.match(refused(one({ print: 'x', exit: 0 })), /step 2: it has several keys/);
  assert.match(refused(one({})), /step 2: it is empty/);
  assert.match(refused(one('print')), /step 2: it must be an object/);
  assert.match(refused(one({ tool: { argv: ['x'], path: 'y' } })), /step 2: it is either argv/);
  for (const step of [
    { __proto__x: 1 },
    { print: 1 },
    { sleepMs: -1 },
    { sleepMs: '5' },
    { exit: 256 },
    { exit: 1.5 },
    { ignoreSigterm: false },
    { progress: { percent: 101 } },
    { tool: { argv: [] } },
    { tool: { argv: ['a', 3] } },
    { tool: { path: 'x', newSession: 'yes' } },
    { fail: { message: 'x', api: 1 } },
    { commit: '' },
  ]) {
    assert.match(refused(one(step)), /step 2: /);
  }
});

test('paths that leave the workspace are refused', () => {
  for (const path of ['/etc/passwd', '../x', 'a/../../x', '', 'a//b', './x', 'a\0b', 'a/']) {
    assert.match(refused(one({ write: { path, content: '' } })), /step 2: path/, path);
  }
  assert.match(refused('{"steps":[],"startsFile":"../x"}'), /startsFile/);
});

test('a prompt that is no scenario is refused with what is wrong', () => {
  assert.match(refused('Fix the bug'), /not JSON/);
  assert.match(refused('[]'), /must be an object/);
  assert.match(refused('{"step":[]}'), /unknown key "step"/);
  assert.match(refused('{}'), /"steps" must be a list/);
  assert.match(refused(' '), /empty/);
  assert.match(
    refused(JSON.stringify({ steps: Array.from({ length: 10_001 }, () => ({ print: '' })) })),
    /10001 steps/,
  );
});
