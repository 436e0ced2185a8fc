import { createCallbacks, type Callbacks } from '../callbacks/callbacks.ts';
import { openSecrets } from '../callbacks/secrets.ts';
import { createAgents } from '../agents/registry.ts';
import type { Services } from '../api/services.ts';
import { createStreamStats, type StreamStats } from '../api/stream-stats.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { createRepositoryLocks } from '../attempts/repository-lock.ts';
import type { Preparation } from '../attempts/ready-workspace.ts';
import { createSourceWatch, type SourceWatch } from '../attempts/source-watch.ts';
import { createSupervisor, type Supervisor } from '../attempts/supervisor.ts';
import { readEngineEnvironment, readGitEnvironment } from '../keeper/environment.ts';
import { readHostIdentity, readOwnIdentity } from '../keeper/host-identity.ts';
import { systemClock, type Clock } from '../kernel/clock.ts';
import { createKeyedMutex } from '../kernel/keyed-mutex.ts';
import { newId } from '../kernel/ids.ts';
import type { Log } from '../kernel/log.ts';
import type { Service } from '../kernel/service.ts';
import type { Corruption } from '../lifecycle/report.ts';
import type { Home } from '../lifecycle/home.ts';
import { createStageRules } from '../pipeline/rules.ts';
import type { Admission } from '../queue/admission.ts';
import { createDispatcher } from '../queue/dispatcher.ts';
import { emptyReport } from '../recovery/boot.ts';
import { createBackupKeeper, type BackupKeeper } from '../recovery/backup/backup-keeper.ts';
import { createOrphanKeeper, type OrphanKeeper } from '../recovery/orphan-keeper.ts';
import { createResourceKeeper, type ResourceKeeper } from '../recovery/resource-keeper.ts';
import {
  createRetentionKeeper,
  type RetentionKeeper,
  type RetentionState,
} from '../recovery/retention/retention-keeper.ts';
import { createResourceKinds } from '../recovery/resource-kinds.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import type { Engine } from '../workspace/container-engine.ts';
import type { Store } from '../store/store.ts';
import { configureGit } from '../workspace/safe-git.ts';
import type { Config } from './config.ts';
import { createDiskAdmission } from './disk-admission.ts';
import { createHistoryScrub, distrustsToken, tellOfDamaged } from './history-scrub.ts';
import { describeFiles } from './damaged-files.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createRepositoryKeeper, type RepositoryKeeper } from './repositories.ts';
import { createServices } from './services.ts';
import { createStatistics, type Statistics } from '../statistics/statistics.ts';
import type { ServerState } from './state.ts';
import { createTokens, type Tokens } from './tokens.ts';
import { VERSION } from './version.ts';

/** Every part of one server, built and wired, nothing started. */
export interface Parts {
  ctx: AttemptContext;
  config: Config;
  state: ServerState;
  services: Services;
  supervisor: Supervisor;
  dispatcher: Service;
  admission: Admission;
  repositories: RepositoryKeeper;
  callbacks: Callbacks;
  sources: SourceWatch;
  metrics: Metrics;
  resources: ResourceKeeper;
  orphans: OrphanKeeper;
  /** What is counted of ended jobs. */
  statistics: Statistics;
  retention: RetentionKeeper;
  backups: BackupKeeper;
  /** The check of history after a start. */
  scrub: Service;
  /** This process, as locks and server.json name it. */
  self: { pid: number; start: string };
  /** Aborted when the server stops. */
  closing: AbortController;
}

export interface ComposeInput {
  home: Home;
  config: Config;
  log: Log;
  /** The home's own token. */
  token: string;
  failpoints: string | undefined;
}

function startState(boot: string): ServerState {
  return { url: '', phase: 'guard', ready: false, degraded: [], http: null, report: emptyReport(boot), damaged: [] };
}

function findEngine(config: Config): Engine {
  const { containerCommand } = config.resources;
  const commands = containerCommand === null ? [['docker'], ['podman']] : [containerCommand];
  return { commands, env: readEngineEnvironment() };
}

function createContext(input: {
  store: Store;
  home: Home;
  config: Config;
  clock: Clock;
  log: Log;
  boot: string;
  state: ServerState;
  tokens: Tokens;
  failpoints: string | undefined;
}): AttemptContext {
  const { store, home, clock, log, boot, failpoints } = input;
  return {
    store,
    home,
    agents: createAgents(input.config.agents),
    rules: createStageRules(),
    clock,
    log,
    boot,
    // Known once the store is open: its starts are the second copy.
    host: '',
    identity: readHostIdentity(),
    url: () => input.state.url,
    jobToken: (jobId) => input.tokens.jobToken(jobId),
    heartbeatAges: input.config.heartbeat,
    jobFiles: createKeyedMutex(),
    failpoints,
    keeperCommand: undefined,
  };
}

function createPreparation(
  ctx: AttemptContext,
  input: {
    config: Config;
    fetches: { fetched: number; shared: number };
    holder: { pid: number; start: string };
    signal: AbortSignal;
  },
): Preparation {
  const { store, home, clock, log, boot } = ctx;
  const { config, fetches, holder, signal } = input;
  const sources = createSourceWatch({ store, clock, log, signal });
  const limits = config.limits.fetch;
  return {
    locks: createRepositoryLocks({ store, boot, holder }),
    fetching: { store, home, sources, limits, count: (what) => void fetches[what]++ },
  };
}

function createCleaners(
  ctx: AttemptContext,
  config: Config,
  signal: AbortSignal,
): Pick<Parts, 'resources' | 'orphans' | 'backups'> {
  const resources = createResourceKeeper(ctx, createResourceKinds(ctx, findEngine(config)));
  const backups = createBackupKeeper(ctx, VERSION);
  return { resources, orphans: createOrphanKeeper(ctx, resources, signal), backups };
}

function createNumbers(
  { store, clock, log, home }: AttemptContext,
  input: Pick<Parts, 'state' | 'supervisor' | 'admission'> & {
    fetches: { fetched: number; shared: number };
    retention: () => RetentionState;
  },
): Pick<Parts, 'metrics' | 'statistics'> & { streamStats: StreamStats } {
  const { state, supervisor, admission, fetches } = input;
  const path = home.statisticsFile;
  const onDamage = (damage: string): void =>
    void state.damaged.push(...describeFiles([['statistics-file', path, damage]]));
  const statistics = createStatistics({ store, clock, log, path, onDamage });
  const countRuns = (): number => supervisor.countRuns();
  const corruption = (): Corruption => state.report.corruption;
  const streamStats = createStreamStats();
  const sources = { store, clock, statistics, streamStats, countRuns, fetches, admission, corruption };
  return {
    statistics,
    streamStats,
    metrics: createMetrics({ ...sources, retention: input.retention, version: VERSION }),
  };
}

function createRetention(
  ctx: AttemptContext,
  input: { config: Config; state: ServerState; orphans: OrphanKeeper },
): RetentionKeeper {
  const { state, orphans } = input;
  return createRetentionKeeper(ctx, {
    spans: input.config.retention,
    lastSignAt: () => {
      const { downSeconds } = state.report;
      return downSeconds === null ? null : ctx.clock.now() - downSeconds * 1000;
    },
    sweepStaging: (now) => orphans.sweepStaging(now),
    onDamage: (why) => state.damaged.push(...describeFiles([['retention-file', ctx.home.retentionFile, why]])),
  });
}

/** Builds every part of a server on this home and wires each to the others; opens and starts nothing. */
export function composeServer(input: ComposeInput): Parts {
  const { home, config, log, failpoints } = input;
  configureGit(readGitEnvironment());
  const clock = systemClock;
  const boot = newId('boot', clock.now());
  const self = readOwnIdentity();
  const state = startState(boot);
  const closing = new AbortController();
  const store = openSqliteStore({ path: home.database, clock, ...(failpoints === undefined ? {} : { failpoints }) });
  const tokens = createTokens({ secret: input.token, store, clock, distrusts: distrustsToken(state) });
  const ctx = createContext({ ...input, store, clock, boot, state, tokens });
  const fetches = { fetched: 0, shared: 0 };
  const preparation = createPreparation(ctx, { config, fetches, holder: self, signal: closing.signal });
  const supervisor = createSupervisor(ctx, preparation);
  const repositories = createRepositoryKeeper({ ...preparation, log, signal: closing.signal });
  const admission = createDiskAdmission(ctx, {
    supervisor,
    limits: config.limits.disk,
    onOpen: () => dispatcher.wake(),
  });
  const cleaners = createCleaners(ctx, config, closing.signal);
  const retention = createRetention(ctx, { config, state, orphans: cleaners.orphans });
  const counted = { fetches, retention: () => retention.state() };
  const numbers = createNumbers(ctx, { state, supervisor, admission, ...counted });
  const dispatcher = createDispatcher({
    store,
    boot,
    hostLimit: config.limits.agentsPerHost,
    admit: () => admission.admit(),
    onClaimed: (job) => supervisor.begin(job),
    onDamaged: tellOfDamaged(ctx, state),
    log,
  });
  const secrets = openSecrets(home.callbackSecretFile, clock);
  const callbacks = createCallbacks({ store, clock, log, boot, version: VERSION, secrets, settings: config.callbacks });
  const cleaning = { ...cleaners, retention };
  const parts = { ctx, config, state, ...numbers, tokens, repositories, admission, ...cleaning, callbacks };
  const services = createServices({ ...parts, secrets });
  const { sources } = preparation.fetching;
  const built = {
    sources,
    state,
    services,
    supervisor,
    dispatcher,
    admission,
    repositories,
    callbacks,
    ...numbers,
    ...cleaners,
    retention,
    scrub: createHistoryScrub(ctx, state, config.callbacks.server),
  };
  return { ctx, config, ...built, self, closing };
}
