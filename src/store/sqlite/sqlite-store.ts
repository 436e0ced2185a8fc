/* oxlint-disable max-lines-per-function -- one line for each method of the contract */
/**
 * The store on node:sqlite. This room is the only one that speaks SQL; it owns `holdfast.db`, its write-ahead log and
 * its witness, starts threads of its own, and knows nothing of processes, git or HTTP. This file is the main thread's
 * side: every method crosses to the worker that owns the connection.
 */
import { Worker } from 'node:worker_threads';
import { systemClock, type Clock } from '../../kernel/clock.ts';
import { fail } from '../../kernel/errors.ts';
import type { CopiedDatabase } from '../backup-store.ts';
import type { ScrubSlice } from '../quarantine-store.ts';
import type { JournalEvent, Store, StoreCheck } from '../store.ts';
import { WorkerClient, threadUrl } from './client.ts';
import { copyInThread } from './copy-database.ts';
import type { Operation } from './wire.ts';

export interface SqliteStoreOptions {
  /** Path of the database file, on a local disk; its directory exists. */
  path: string;
  clock?: Clock;
  /** Specification for the failpoints of the store's own thread. */
  failpoints?: string;
  /** Called when the outcome of a write is unknown; the default ends the process with code 70. */
  onFatal?: (error: Error) => void;
}

/** Exit code after a write whose outcome is unknown (EX_SOFTWARE). */
const FATAL_EXIT = 70;

function exitAtOnce(error: Error): void {
  process.stderr.write(
    `holdfast: the store failed, and whether its last write was kept is unknown: ${error.message}\n`,
  );
  process.exit(FATAL_EXIT);
}

/**
 * Returns the store at `path`; `start` opens it and throws `store-corrupt`, `store-too-new`, `home-unusable`,
 * `home-held` or `storage-full`, without having changed a file it refuses.
 */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  const link = new Link(options);
  const call =
    <K extends Operation>(operation: K) =>
    (...args: Parameters<Store[K]>): ReturnType<Store[K]> =>
      link.call(operation, args) as ReturnType<Store[K]>;
  return {
    start: () => link.start(),
    stop: () => link.stop(),
    onCommit: (listener) => link.onCommit(listener),
    checkDeep: () => link.checkDeep(),
    addRepository: call('addRepository'),
    getRepository: call('getRepository'),
    listRepositories: call('listRepositories'),
    updateRepository: call('updateRepository'),
    removeRepository: call('removeRepository'),
    listRemovals: call('listRemovals'),
    finishRemoval: call('finishRemoval'),
    acceptJob: call('acceptJob'),
    getJob: call('getJob'),
    findJob: call('findJob'),
    getPrompt: call('getPrompt'),
    listJobs: call('listJobs'),
    listQueue: call('listQueue'),
    listActiveJobs: call('listActiveJobs'),
    getQueuePosition: call('getQueuePosition'),
    countJobsByState: call('countJobsByState'),
    moveJob: call('moveJob'),
    noteJob: call('noteJob'),
    freezeJob: call('freezeJob'),
    warnJob: call('warnJob'),
    requestCancel: call('requestCancel'),
    claimJobs: call('claimJobs'),
    removeJob: call('removeJob'),
    listEnded: call('listEnded'),
    beginRetirement: call('beginRetirement'),
    endRetirement: call('endRetirement'),
    listRetirements: call('listRetirements'),
    findTombstone: call('findTombstone'),
    recordJobFile: call('recordJobFile'),
    dropJobFile: call('dropJobFile'),
    listJobFiles: call('listJobFiles'),
    intendAttempt: call('intendAttempt'),
    getAttempt: call('getAttempt'),
    listAttempts: call('listAttempts'),
    listLiveAttempts: call('listLiveAttempts'),
    moveAttempt: call('moveAttempt'),
    settleAttempt: call('settleAttempt'),
    countInterrupted: call('countInterrupted'),
    acquireLock: call('acquireLock'),
    releaseLock: call('releaseLock'),
    listLocks: call('listLocks'),
    listDamagedLocks: call('listDamagedLocks'),
    clearLock: call('clearLock'),
    listPlaces: call('listPlaces'),
    getLastPlace: call('getLastPlace'),
    listSurfaces: call('listSurfaces'),
    listDependencies: call('listDependencies'),
    recordBatch: call('recordBatch'),
    getNewestBatch: call('getNewestBatch'),
    listEvents: call('listEvents'),
    getLastSeq: call('getLastSeq'),
    recordBoot: call('recordBoot'),
    updateBoot: call('updateBoot'),
    listBoots: call('listBoots'),
    addToken: call('addToken'),
    listTokens: call('listTokens'),
    revokeToken: call('revokeToken'),
    findToken: call('findToken'),
    addAccount: call('addAccount'),
    listAccounts: call('listAccounts'),
    findAccount: call('findAccount'),
    revokeAccount: call('revokeAccount'),
    addLogin: call('addLogin'),
    claimDeliveries: call('claimDeliveries'),
    recordDelivery: call('recordDelivery'),
    returnDeliveries: call('returnDeliveries'),
    redeliver: call('redeliver'),
    getDelivery: call('getDelivery'),
    listDeliveries: call('listDeliveries'),
    deliveryStats: call('deliveryStats'),
    checkLive: call('checkLive'),
    scrub: (onSlice, signal) => link.scrub(onSlice, signal),
    addQuarantine: call('addQuarantine'),
    listQuarantine: call('listQuarantine'),
    getQuarantine: call('getQuarantine'),
    countQuarantine: call('countQuarantine'),
    releaseQuarantine: call('releaseQuarantine'),
    releaseJob: call('releaseJob'),
    stats: call('stats'),
    addResource: call('addResource'),
    listJobOutlines: call('listJobOutlines'),
    findJobIds: call('findJobIds'),
    findTombstones: call('findTombstones'),
    findAttempts: call('findAttempts'),
    intendRepair: call('intendRepair'),
    endRepair: call('endRepair'),
    listOpenRepairs: call('listOpenRepairs'),
    findRegistered: call('findRegistered'),
    getResource: call('getResource'),
    listResources: call('listResources'),
    listDueResources: call('listDueResources'),
    countResources: call('countResources'),
    moveResource: call('moveResource'),
    intendBackup: call('intendBackup'),
    findAskedBackup: call('findAskedBackup'),
    moveBackup: call('moveBackup'),
    keepBackDeliveries: call('keepBackDeliveries'),
    getBackup: call('getBackup'),
    listBackups: call('listBackups'),
    findFreshRestore: call('findFreshRestore'),
    intendRotation: call('intendRotation'),
    endRotation: call('endRotation'),
    findOpenRotation: call('findOpenRotation'),
    listGates: call('listGates'),
    listEvidence: call('listEvidence'),
    listRefusals: call('listRefusals'),
    copyDatabase: (path, signal) => link.copyDatabase(path, signal),
  };
}

/** The connection to the worker over its starts and stops. */
class Link {
  readonly #options: SqliteStoreOptions;
  readonly #listeners = new Set<(events: JournalEvent[]) => void>();
  #client: WorkerClient | null = null;
  #complaint: string | null = null;

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const now = (): number => (this.#options.clock ?? systemClock).now();
    const { path, failpoints = null, onFatal = exitAtOnce } = this.#options;
    this.#client ??= new WorkerClient({
      worker: { path, failpoints },
      now,
      onFatal,
      onEvents: (events) => this.#deliver(events),
    });
    const client = this.#client;
    try {
      this.#complaint = await client.opened;
    } catch (error) {
      if (this.#client === client) this.#client = null;
      throw error;
    }
    if (this.#listeners.size > 0) client.watch(true);
  }

  async stop(): Promise<void> {
    const client = this.#client;
    if (client === null) return;
    await client.close();
    if (this.#client === client) this.#client = null;
  }

  call(operation: Operation, args: unknown[]): Promise<unknown> {
    if (this.#client === null) return Promise.reject(fail('storage-failed', 'the store is not started'));
    return this.#client.call(operation, args);
  }

  onCommit(listener: (events: JournalEvent[]) => void): () => void {
    // Each call is its own subscription, also of one function given twice.
    const own = (events: JournalEvent[]): void => listener(events);
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#client?.watch(true);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#client?.watch(false);
    };
  }

  /** Runs in a thread and on a connection of its own, so that nobody waits for it. */
  checkDeep(): Promise<StoreCheck> {
    if (this.#client === null) return Promise.reject(fail('storage-failed', 'the store is not started'));
    const { promise, resolve, reject } = Promise.withResolvers<StoreCheck>();
    const workerData = { path: this.#options.path, complaint: this.#complaint };
    const worker = new Worker(threadUrl('check-worker'), { workerData });
    worker.on('message', (message: { check?: StoreCheck; error?: string }) => {
      if (message.check !== undefined) resolve(message.check);
      else reject(fail('storage-failed', message.error ?? 'the check failed'));
    });
    worker.on('error', reject);
    worker.on('exit', () => reject(fail('storage-failed', 'the check ended without a result')));
    return promise;
  }

  /** Like `checkDeep`, in slices, told one by one. */
  scrub(onSlice: (slice: ScrubSlice) => void, signal: AbortSignal): Promise<void> {
    if (this.#client === null) return Promise.reject(fail('storage-failed', 'the store is not started'));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const worker = new Worker(threadUrl('scrub-worker'), { workerData: { path: this.#options.path } });
    const stop = (): void => void worker.terminate();
    signal.addEventListener('abort', stop, { once: true });
    let isDone = false;
    worker.on('message', (message: { slice?: ScrubSlice; error?: string }) => {
      if (message.slice !== undefined) onSlice(message.slice);
      else if (message.error === undefined) isDone = true;
      else reject(fail('storage-failed', message.error));
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      signal.removeEventListener('abort', stop);
      if (isDone || signal.aborted) resolve();
      else reject(fail('storage-failed', 'the check ended without a result'));
    });
    if (signal.aborted) stop();
    return promise;
  }

  /** In a thread of its own as well: a large database takes seconds. */
  copyDatabase(path: string, signal: AbortSignal): Promise<CopiedDatabase> {
    if (this.#client === null) return Promise.reject(fail('storage-failed', 'the store is not started'));
    return copyInThread({ from: this.#options.path, to: path }, signal);
  }

  #deliver(events: JournalEvent[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(events);
      } catch (error) {
        // A listener's defect must not keep the answers of this group from their callers; it still ends the process.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
