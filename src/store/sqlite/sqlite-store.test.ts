import { runStoreSuite } from '../store.testsuite.ts';
import { openHarness } from './harness.fixture.ts';

runStoreSuite('sqlite', () => openHarness());
