/**
 * The keeper protocol as a test: whatever keeper command is given is held against it with real processes. A keeper in
 * another language passes when this does; besides the protocol it needs the failpoints `keeper.*`.
 */
import { describe } from 'node:test';
import { testCrashes, testRaces, testSurroundings } from './conformance/crashing.testsuite.ts';
import { testControl, testEnding, testLimits, testStopping } from './conformance/ending.testsuite.ts';
import { testRefusals, testStarting } from './conformance/starting.testsuite.ts';

/** Most tests wait for processes, not for the processor. */
const AT_ONCE = { concurrency: 2 };

/** Defines the tests that hold the keeper started by `command` (argv, the run directory is appended) to the protocol. */
export function testKeeper(command: string[]): void {
  describe('keeper protocol', { concurrency: 4 }, () => {
    describe('surroundings', AT_ONCE, () => testSurroundings(command));
    describe('racing', AT_ONCE, () => testRaces(command));
    describe('limits', AT_ONCE, () => testLimits(command));
    describe('crashing', AT_ONCE, () => testCrashes(command));
    describe('starting', AT_ONCE, () => testStarting(command));
    describe('refusing', AT_ONCE, () => testRefusals(command));
    describe('ending', AT_ONCE, () => testEnding(command));
    describe('stopping', AT_ONCE, () => testStopping(command));
    describe('control', AT_ONCE, () => testControl(command));
  });
}
