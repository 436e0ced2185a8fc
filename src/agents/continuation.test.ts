import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isError } from '../kernel/errors.ts';
import { continuationPrompt, nextRoundPrompt, nonEmpty } from './continuation.ts';

test('the continuation says what is known', () => {
  const text = continuationPrompt({ attempt: 3, reason: 'the host was restarted', unfinishedTool: 'Bash' });
  for (const part of [/attempt 3/, /the host was restarted/, /"Bash" was running/, /workspace/, /continue/]) {
    assert.match(text, part);
  }
  assert.doesNotMatch(continuationPrompt({ attempt: 2, reason: 'x' }), /""/);
});

test('the continuation is one line that no tool name can break out of, and never empty', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.option(fc.string({ unit: 'binary' })), (reason, unfinishedTool) => {
      const text = continuationPrompt({ attempt: 1, reason, unfinishedTool });
      assert.ok(text.length > 100 && text.length < 1000);
      assert.doesNotMatch(text, /\p{Cc}/u);
      assert.ok((text.match(/"/g) ?? []).length <= 2);
    }),
  );
});

test('an empty text is no continuation', () => {
  assert.equal(nonEmpty(' go '), ' go ');
  for (const text of ['', ' \n\t']) {
    assert.throws(
      () => nonEmpty(text),
      (error) => isError(error, 'bad-prompt'),
    );
  }
});

test('a session that is wanted once more is told for what', () => {
  const text = nextRoundPrompt({ attempt: 4, instructions: 'Correct it.' });
  assert.match(text, /attempt 4.*workspace[^]*\n\nCorrect it\.$/);
  assert.throws(
    () => nextRoundPrompt({ attempt: 4, instructions: ' ' }),
    (error) => isError(error, 'bad-prompt'),
  );
});
