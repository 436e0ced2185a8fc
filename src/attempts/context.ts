/**
 * The attempts room carries out one attempt after another of a claimed job: workspace, agent and keeper come together
 * here, and what the evidence says is acted on here, for a live server and for recovery by the same code. It decides
 * nothing about order (queue) and writes states only through the store's transitions.
 */
import type { AgentRegistry } from '../agents/registry.ts';
import type { HostIdentity } from '../keeper/host-identity.ts';
import type { HeartbeatAges } from '../keeper/sentinel.ts';
import type { Clock } from '../kernel/clock.ts';
import type { KeyedMutex } from '../kernel/keyed-mutex.ts';
import type { Log } from '../kernel/log.ts';
import type { Home } from '../lifecycle/home.ts';
import type { StageRules } from '../lifecycle/stage-rules.ts';
import type { Store } from '../store/store.ts';

/** What every part of the room works with; made once by the composition root. */
export interface AttemptContext {
  store: Store;
  home: Home;
  agents: AgentRegistry;
  /** Decides what follows a stage, and what is asked in one. */
  rules: StageRules;
  clock: Clock;
  log: Log;
  /** Boot of this server. */
  boot: string;
  /** Random id of this home's host. */
  host: string;
  identity: HostIdentity;
  /** Base URL agents reach this server at; a restarted server may answer elsewhere. */
  url: () => string;
  /** Token an agent may use for its own job only. */
  jobToken: (jobId: string) => string;
  /** What a heartbeat is called by its age. */
  heartbeatAges: HeartbeatAges;
  /** Held, by job, by whoever moves what lies in the directory of a job that has no attempt under way. */
  jobFiles: KeyedMutex;
  /** Passed on to keepers, for tests. */
  failpoints: string | undefined;
  /** argv that starts a keeper, when not the built-in one. */
  keeperCommand: string[] | undefined;
}
