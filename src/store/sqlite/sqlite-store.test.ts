import { runStoreSuite } from '../store.testsuite.ts';
import { openHarness } from './testing/harness.ts';

runStoreSuite('sqlite', () => openHarness());
