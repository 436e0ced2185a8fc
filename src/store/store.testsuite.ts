/** The conformance suite of the store contract: every implementation passes all of it. */
import { describe } from 'node:test';
import { testAfter } from './conformance/after.ts';
import { testAttempts } from './conformance/attempts.ts';
import { testBackups } from './conformance/backups.ts';
import { testDeliveries } from './conformance/deliveries.ts';
import type { OpenHarness } from './conformance/fixtures.ts';
import { testJobFiles } from './conformance/job-files.ts';
import { testJobs } from './conformance/jobs.ts';
import { testJournal } from './conformance/journal.ts';
import { testQuarantine } from './conformance/quarantine.ts';
import { testQueue } from './conformance/queue.ts';
import { testRecords } from './conformance/records.ts';
import { testWaiting } from './conformance/waiting.ts';
import { testResources } from './conformance/resources.ts';
import { testRefusals } from './conformance/refusals.ts';
import { testRemoval } from './conformance/removal.ts';
import { testLedger } from './conformance/ledger.ts';
import { testRetention } from './conformance/retention.ts';
import { testRepeated } from './conformance/repeated.ts';
import { testRotations } from './conformance/rotations.ts';
import { testSurfaces } from './conformance/surfaces.ts';
import { testTransitions } from './conformance/transitions.ts';

/** Registers the tests of an implementation; `open` makes a fresh, started, empty store for each of them. */
export function runStoreSuite(name: string, open: OpenHarness): void {
  describe(`${name}: jobs`, () => testJobs(open));
  describe(`${name}: files of jobs`, () => testJobFiles(open));
  describe(`${name}: removal`, () => testRemoval(open));
  describe(`${name}: ledger`, () => testLedger(open));
  describe(`${name}: refusals`, () => testRefusals(open));
  describe(`${name}: retention`, () => testRetention(open));
  describe(`${name}: queue`, () => testQueue(open));
  describe(`${name}: surfaces`, () => testSurfaces(open));
  describe(`${name}: after`, () => testAfter(open));
  describe(`${name}: waiting`, () => testWaiting(open));
  describe(`${name}: transitions`, () => testTransitions(open));
  describe(`${name}: attempts`, () => testAttempts(open));
  describe(`${name}: journal`, () => testJournal(open));
  describe(`${name}: deliveries`, () => testDeliveries(open));
  describe(`${name}: quarantine`, () => testQuarantine(open));
  describe(`${name}: records`, () => testRecords(open));
  describe(`${name}: backups`, () => testBackups(open));
  describe(`${name}: repeated requests`, () => testRepeated(open));
  describe(`${name}: rotations`, () => testRotations(open));
  describe(`${name}: resources`, () => testResources(open));
}
