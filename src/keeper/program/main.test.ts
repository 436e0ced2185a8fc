import { ensureKeeper } from '../../../scripts/build-keeper.ts';
import { testKeeper } from '../keeper.testsuite.ts';
import { defaultKeeperCommand } from '../launch.ts';

await ensureKeeper();
testKeeper(defaultKeeperCommand());
