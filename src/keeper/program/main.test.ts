import { ensureKeeper } from '../../../scripts/build-keeper.ts';
import { testKeeper } from '../keeper.testsuite.ts';

testKeeper([process.execPath, '--v8-pool-size=0', await ensureKeeper()]);
