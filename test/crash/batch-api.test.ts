/** The acceptance test of the batch API, which is a script: what a client without our code sees of a crash. */
import { test } from 'node:test';
import { passBatchScript } from '../support/batch-script.ts';
import { isFull } from './size.ts';

test('a client of the batch API retrieves its output through a crash', { timeout: 120_000 }, async () => {
  await passBatchScript(['output']);
});

// The sample of every run is one part: the others take their time.
if (isFull) {
  test('a client of the batch API finds queue and locks as they were', { timeout: 300_000 }, async () => {
    await passBatchScript(['queue', 'lock']);
  });
}
