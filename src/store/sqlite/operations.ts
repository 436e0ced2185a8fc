/** Which method of the contract is carried out by which function, and which of them need the transaction. */
import type { Store } from '../store.ts';
import { acceptJob } from './accept.ts';
import { addAccount, addLogin, findAccount, listAccounts, revokeAccount } from './accounts.ts';
import {
  countInterrupted,
  getAttempt,
  intendAttempt,
  listAttempts,
  listLiveAttempts,
  moveAttempt,
  settleAttempt,
} from './attempts.ts';
import { findAskedBackup, findFreshRestore, getBackup, intendBackup, listBackups, moveBackup } from './backups.ts';
import { listBoots, recordBoot, updateBoot } from './boots.ts';
import { checkLive } from './check-live.ts';
import { claimDeliveries, keepBackDeliveries, returnDeliveries } from './claim-deliveries.ts';
import { claimJobs } from './claim.ts';
import { recordDelivery, redeliver } from './deliveries.ts';
import { freezeJob } from './freeze.ts';
import { moveJob, noteJob, requestCancel } from './job-moves.ts';
import { findJob, getJob, getPrompt, getQueuePosition, listActiveJobs, listJobs, listQueue } from './jobs.ts';
import { removeJob } from './remove-job.ts';
import { beginRetirement, endRetirement, listEnded, listRetirements } from './retention.ts';
import { dropJobFile, listJobFiles, recordJobFile } from './job-files.ts';
import { listEvents } from './journal.ts';
import { listEvidence, listGates } from './ledger.ts';
import { listRefusals } from './refusals.ts';
import { deliveryStats, getDelivery, listDeliveries } from './list-deliveries.ts';
import { getNewestBatch, recordBatch } from './batches.ts';
import { listDamagedLocks } from './damaged-locks.ts';
import { listDependencies } from './dependencies.ts';
import { clearLock } from './clear-lock.ts';
import { acquireLock, listLocks, releaseLock } from './locks.ts';
import { getLastPlace, listPlaces } from './places.ts';
import type { OpenDatabase } from './open.ts';
import {
  endRepair,
  findAttempts,
  findJobIds,
  findTombstones,
  intendRepair,
  listJobOutlines,
  listOpenRepairs,
} from './orphans.ts';
import { addRepository, getRepository, listRepositories, removeRepository, updateRepository } from './repositories.ts';
import {
  addResource,
  countResources,
  findRegistered,
  getResource,
  listDueResources,
  listResources,
  moveResource,
} from './resources.ts';
import { endRotation, findOpenRotation, intendRotation } from './rotations.ts';
import type { Session } from './session.ts';
import { addToken, findToken, listTokens, revokeToken } from './tokens.ts';
import { findTombstone, finishRemoval, listRemovals } from './tombstones.ts';
import { warnJob } from './warn-job.ts';
import {
  addQuarantine,
  countQuarantine,
  getQuarantine,
  listQuarantine,
  releaseJob,
  releaseQuarantine,
} from './quarantine.ts';
import { listSurfaces } from './surfaces.ts';
import type { Operation } from './wire.ts';
import { readStats, type Timings } from './stats.ts';

type Carry<K extends Operation, Context> = (
  context: Context,
  ...args: Parameters<Store[K]>
) => Awaited<ReturnType<Store[K]>>;

type WriteOperation =
  | 'addRepository'
  | 'updateRepository'
  | 'removeRepository'
  | 'finishRemoval'
  | 'acceptJob'
  | 'moveJob'
  | 'noteJob'
  | 'freezeJob'
  | 'warnJob'
  | 'requestCancel'
  | 'claimJobs'
  | 'removeJob'
  | 'recordJobFile'
  | 'dropJobFile'
  | 'intendAttempt'
  | 'moveAttempt'
  | 'settleAttempt'
  | 'acquireLock'
  | 'releaseLock'
  | 'clearLock'
  | 'recordBatch'
  | 'recordBoot'
  | 'updateBoot'
  | 'claimDeliveries'
  | 'recordDelivery'
  | 'returnDeliveries'
  | 'redeliver'
  | 'addToken'
  | 'revokeToken'
  | 'addQuarantine'
  | 'releaseQuarantine'
  | 'releaseJob'
  | 'addAccount'
  | 'revokeAccount'
  | 'addLogin'
  | 'addResource'
  | 'intendRepair'
  | 'endRepair'
  | 'moveResource'
  | 'beginRetirement'
  | 'endRetirement'
  | 'intendBackup'
  | 'findAskedBackup'
  | 'moveBackup'
  | 'intendRotation'
  | 'endRotation'
  | 'keepBackDeliveries';

type ReadOperation = Exclude<Operation, WriteOperation>;

const writes: { [K in WriteOperation]: Carry<K, Session> } = {
  addRepository,
  updateRepository,
  removeRepository,
  finishRemoval,
  acceptJob,
  moveJob,
  noteJob,
  freezeJob,
  warnJob,
  requestCancel,
  claimJobs,
  removeJob,
  recordJobFile,
  dropJobFile,
  intendAttempt,
  moveAttempt,
  settleAttempt,
  acquireLock,
  releaseLock,
  clearLock,
  recordBatch,
  recordBoot,
  updateBoot,
  claimDeliveries,
  recordDelivery,
  returnDeliveries,
  redeliver,
  addToken,
  revokeToken,
  addQuarantine,
  releaseQuarantine,
  releaseJob,
  addAccount,
  revokeAccount,
  addLogin,
  addResource,
  moveResource,
  intendRepair,
  endRepair,
  beginRetirement,
  endRetirement,
  intendBackup,
  findAskedBackup,
  moveBackup,
  intendRotation,
  endRotation,
  keepBackDeliveries,
};

/** What a read may look at: the database outside any transaction, and the timings of the commits. */
export interface ReadContext extends OpenDatabase {
  readonly timings: Timings;
}

const reads: { [K in ReadOperation]: Carry<K, ReadContext> } = {
  getRepository,
  listRepositories,
  listRemovals,
  getJob,
  findJob,
  getPrompt,
  listJobs,
  listQueue,
  listActiveJobs,
  getQueuePosition,
  listEnded,
  listRetirements,
  listJobFiles,
  findTombstone,
  countJobsByState: (store) => store.counters.byState(),
  getAttempt,
  listAttempts,
  listLiveAttempts,
  countInterrupted,
  listLocks,
  listDamagedLocks,
  listPlaces,
  getLastPlace,
  listSurfaces,
  listDependencies,
  getNewestBatch,
  listEvents,
  getLastSeq: (store) => store.counters.last('seq'),
  listBoots,
  listTokens,
  findToken,
  listAccounts,
  findAccount,
  getDelivery,
  listDeliveries,
  deliveryStats,
  checkLive,
  listQuarantine,
  getQuarantine,
  countQuarantine,
  stats: readStats,
  findRegistered,
  getResource,
  listJobOutlines,
  findJobIds,
  findTombstones,
  findAttempts,
  listOpenRepairs,
  listResources,
  listDueResources,
  countResources,
  getBackup,
  listBackups,
  findFreshRestore,
  findOpenRotation,
  listGates,
  listEvidence,
  listRefusals,
};

type Loose<Context> = (context: Context, ...args: never[]) => unknown;

/** Carries out a write inside the open savepoint. */
export function carryOutWrite(session: Session, operation: Operation, args: unknown[]): unknown {
  if (!isWrite(operation)) throw new Error(`${operation} is no write`);
  return (writes[operation] as Loose<Session>)(session, ...(args as never[]));
}

/** Carries out a read outside any transaction. */
export function carryOutRead(context: ReadContext, operation: Operation, args: unknown[]): unknown {
  if (isWrite(operation)) throw new Error(`${operation} is no read`);
  return (reads[operation] as Loose<ReadContext>)(context, ...(args as never[]));
}

/** Whether a method needs the transaction. */
export function isWrite(operation: Operation): operation is WriteOperation {
  return Object.hasOwn(writes, operation);
}
