import type { AttemptContext } from '../attempts/context.ts';
import type { Service } from '../kernel/service.ts';
import { scrubRuns, scrubStore } from '../recovery/scrub-kinds.ts';
import { createScrub } from '../recovery/scrub.ts';
import type { ServerState } from './state.ts';

/** Returns the check of history of this server. Kinds of records outside the database join here. */
export function createHistoryScrub({ store, clock, log, boot, home }: AttemptContext, state: ServerState): Service {
  return createScrub({
    store,
    clock,
    log,
    boot,
    kinds: [scrubStore(store, home), scrubRuns(store, home)],
    atStart: () => state.damaged,
    getReport: () => state.report,
    setReport: (report) => (state.report = report),
  });
}

/** Returns whether this start found the row of a token damaged: it may have forgotten that it was revoked. */
export function distrustsToken(state: ServerState): (tokenId: string) => boolean {
  return (tokenId) => state.damaged.some((one) => one.kind === 'token' && one.item === tokenId);
}
