import { failpoint } from '../kernel/failpoints.ts';
import type { DeliveryFinding } from '../lifecycle/report.ts';
import type { Parts } from './compose.ts';

/** Puts back the messages a dead server was sending, and tells the report what is unfinished. Returns the counts. */
export async function recoverCallbacks({ callbacks, ctx, state }: Parts): Promise<Record<string, number>> {
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
}
