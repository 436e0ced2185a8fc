import { failpoint } from '../kernel/failpoints.ts';
import type { DeliveryFinding } from '../lifecycle/report.ts';
import type { Phase } from '../recovery/phases.ts';
import type { Parts } from './compose.ts';
import { describeFiles } from './damaged-files.ts';

/**
 * Returns what puts back the messages a dead server was sending and tells the report what is unfinished; a damaged secret
 * is told then, not by the first message that waits for it. It returns the counts.
 */
export function recoverCallbacks({ callbacks, ctx, state }: Parts): Phase['run'] {
  return async (degrade) => {
    const damage = callbacks.checkSecret();
    if (damage !== null) {
      degrade('callback-secret', damage);
      state.damaged.push(...describeFiles([['callback-secret', ctx.home.callbackSecretFile, damage]]));
    }
    const { returned, pending, retrying } = await callbacks.outbox.recover();
    const found: DeliveryFinding[] = [
      { state: 'sending', count: returned, decision: 'returned' },
      { state: 'pending', count: pending, decision: 'rescheduled' },
      { state: 'retrying', count: retrying, decision: 'rescheduled' },
    ];
    state.report.deliveries = found.filter(({ count }) => count > 0);
    failpoint('recovery.after-callbacks');
    ctx.log.info(`Callbacks recovered: ${returned} sent again, ${pending} pending, ${retrying} retrying`);
    return { returned, pending, retrying };
  };
}
