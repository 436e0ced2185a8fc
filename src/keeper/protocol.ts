/**
 * The run directory of one attempt as both sides see it: names, records and control messages. This is the contract a
 * second keeper must keep; `keeper.testsuite.ts` holds any keeper command against it.
 */
import { canonicalJson, sha256 } from '../kernel/hash.ts';

/** Version of every record; another one is not understood and quarantines the attempt. */
export const PROTOCOL_VERSION = 1;

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
} as const;

export interface Limits {
  wallMs: number;
  idleMs: number;
  outputBytes: number;
}

/** What to run. Written by the server before the launch. */
export interface Spec {
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
  if (parsed.attempt !== attempt) throw new Error(`it belongs to attempt ${String(parsed.attempt)}`);
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
