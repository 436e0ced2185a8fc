/** Resources, orphans and backups in their smallest real form: all are rows, nothing is ever an orphan or copied. */
import { ORPHAN_KINDS, type OrphanKind } from '../lifecycle/orphan.ts';
import { DEFAULT_RETENTION, keptUntil } from '../lifecycle/retention.ts';
import type { Store } from '../store/store.ts';
import type { Services } from './services.ts';
import { createStreamStats } from './stream-stats.ts';

type Cleaning = Pick<
  Services,
  'listOrphans' | 'repairOrphans' | 'registerResource' | 'removeResource' | 'keptUntil' | 'streamStats'
> &
  Pick<Services, 'beginBackup' | 'awaitBackup' | 'progressOfBackup'>;

/** Returns what the tests of this room need of the clean-up. */
export function cleaningServices(store: Store): Cleaning {
  return {
    keptUntil: (job) => keptUntil(job, DEFAULT_RETENTION, 0),
    streamStats: createStreamStats(),
    listOrphans: async () => ({
      items: [],
      counts: Object.fromEntries(ORPHAN_KINDS.map((kind) => [kind, 0])) as Record<OrphanKind, number>,
      total: 0,
      ours: 0,
    }),
    repairOrphans: async ({ ids }) =>
      ids.map((id) => ({ id, orphan: null, outcome: 'gone' as const, detail: 'nothing of this id' })),
    beginBackup: (backup) => store.intendBackup(backup),
    awaitBackup: () => Promise.resolve(null),
    progressOfBackup: () => null,
    registerResource: ({ job, kind, target, principal, request = null }) => {
      const facts = { engineId: target };
      return store.addResource({ jobId: job.id, kind, target, facts, identity: target, principal, request });
    },
    async removeResource({ id }, actor) {
      await store.moveResource({ id, transition: 'begin', note: null, actor });
      return store.moveResource({ id, transition: 'finish', note: null, actor });
    },
  };
}
