/**
 * The run directory of one attempt as both sides see it: names, records and control messages. This is the contract a
 * second keeper must keep; `keeper.testsuite.ts` holds any keeper command against it.
 */
import { canonicalJson, sha256 } from '../kernel/hash.ts';

/** Version of every record; another one is not understood and quarantines the attempt. */
const PROTOCOL_VERSION = 1;

/** Names inside a run directory. */
export const RUN_FILES = {
  spec: 'spec.json',
  secrets: 'secrets.json',
  claim: 'claim',
  agent: 'agent.json',
  output: 'output',
  stderr: 'stderr',
  limits: 'limits.json',
  sentinel: 'sentinel.json',
  socket: 'ctl.sock',
  reserve: '.exit.reserve',
  exit: 'exit.json',
  log: 'keeper.log',
  /** Made by the gate when its exec failed after go; only between gate and keeper. */
  execFailed: '.exec-failed',
} as const;

/** How long the end of an attempt waits for processes that do not die (they wait for a device), milliseconds. */
export const STRAYS_DEADLINE_MS = 30_000;

/** Size of the reserve; a longer exit record cannot be written to a full disk. */
export const RESERVE_BYTES = 4096;

/** Variable by which everything that descends from the agent is found. */
export const ATTEMPT_VARIABLE = 'HOLDFAST_ATTEMPT';

/** Variable carried by the server's own children (git, copies): the id of the operation they belong to. */
export const OPERATION_VARIABLE = 'HOLDFAST_OP';

/** Variable that says of which home such a process is: one made from a backup has the same attempts and jobs. */
export const HOST_VARIABLE = 'HOLDFAST_HOST';

/** A client of the control socket that leaves more than this unread is dropped. */
export const UNREAD_LIMIT_BYTES = 64 * 1024;

export interface Limits {
  wallMs: number;
  idleMs: number;
  outputBytes: number;
}

/** What to run. Written by the server before the launch. */
export interface Spec {
  /** The random id kept in the home; the keeper copies it into its claim. */
  host: string;
  /** argv[0] is looked up in env.PATH when it has no slash. */
  argv: string[];
  cwd: string;
  /** The agent's complete environment, secrets apart. */
  env: Record<string, string>;
  /** Whether secrets.json lies beside it: merged into the environment, unlinked after go. */
  secrets: boolean;
  limits: Limits;
  /** stderr into `output`, in order. */
  mergeStderr: boolean;
  /** Written into the sentinel for people. */
  agentEngine: string;
  sessionId: string | null;
  /** Time between asking to stop and killing. */
  graceMs: number;
}

/** Who owns the attempt; a server seals an attempt by linking one with `tombstone`. */
export interface Claim {
  host: string;
  boot: string;
  pidns: string;
  /** Start time of pid 1 of that namespace. */
  init: string;
  pid: number;
  start: string;
  /** Milliseconds since 1970, for people. */
  at: number;
  tombstone: boolean;
}

/** The agent's process; durable before it may run. */
export interface AgentRecord {
  pid: number;
  start: string;
  cgroup: string | null;
  /** sum of the claim: records of two attempts cannot be mixed. */
  claim: string;
}

export interface ExitRecord {
  started: boolean;
  code: number | null;
  signal: string | null;
  /** Why argv[0] could not be executed, as an errno name. */
  execErrno: string | null;
  /** `wall`, `idle`, `output`, `stop`, `host`, or null when it ended by itself. */
  stoppedBy: string | null;
  reason: string | null;
  at: number;
  bytesOut: number;
  bytesErr: number;
  maxRss?: number;
  /** CPU milliseconds of the agent's own process, when the keeper could tell. */
  cpu?: number;
  claim: string;
}

/** The secret part of the agent's environment; 0600, unlinked by the keeper after go. */
export interface Secrets {
  env: Record<string, string>;
}

/** Limits as extended since the start; never lower than those of the spec. */
export interface LimitsRecord {
  wallMs: number;
  idleMs: number;
  at: number;
}

/** Heartbeat for people and host leases: diagnostic, never proof of death. */
export interface Sentinel {
  /** Milliseconds since 1970. */
  lastHeartbeat: number;
  /** The agent's process. */
  pid: number;
  startTime: string;
  bootId: string;
  agentEngine: string;
  sessionId: string | null;
  outputBytes: number;
  stderrBytes: number;
  keeperPid: number;
}

/** A record as it lies on disk. */
export type Sealed<T> = T & { v: number; attempt: string; sum: string };

/** Returns `body` as the text of a record of `attempt`, with its sum. */
export function encodeRecord(attempt: string, body: object): string {
  const record = { v: PROTOCOL_VERSION, attempt, ...body };
  return `${JSON.stringify({ ...record, sum: sha256(canonicalJson(record)) })}\n`;
}

/** Reads a record back; throws an Error that says what is wrong (torn, wrong sum, version or attempt). */
export function decodeRecord<T extends object>(attempt: string, text: string): Sealed<T> {
  let parsed: Sealed<T>;
  try {
    parsed = JSON.parse(text) as Sealed<T>;
  } catch {
    throw new Error('not complete JSON');
  }
  if (parsed === null || typeof parsed !== 'object') throw new Error('not a record');
  const { sum, ...record } = parsed;
  if (typeof sum !== 'string' || sum !== sha256(canonicalJson(record))) throw new Error('its sum does not match');
  if (parsed.v !== PROTOCOL_VERSION) throw new Error(`unknown version ${String(parsed.v)}`);
  if (parsed.attempt !== attempt) throw new Error(`it belongs to attempt ${parsed.attempt}`);
  return parsed;
}

/** One line of JSON to the keeper. */
export type ControlRequest =
  | { op: 'status' }
  | { op: 'stop'; reason: string }
  | { op: 'kill'; reason: string }
  | { op: 'extend'; wallMs?: number; idleMs?: number };

/** One line of JSON from the keeper, an answer to each request in order. */
export type ControlReply = { ok: true; status: KeeperStatus } | { ok: true } | { ok: false; error: string };

export interface KeeperStatus {
  attempt: string;
  keeper: { pid: number; start: string };
  agent: { pid: number; start: string } | null;
  phase: 'starting' | 'running' | 'stopping' | 'ending';
  bytesOut: number;
  bytesErr: number;
}
