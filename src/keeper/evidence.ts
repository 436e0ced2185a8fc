/**
 * Everything that can be known of one attempt, as plain data for the verdict: its records, whether its processes live,
 * and what else of it does. Gathering changes nothing.
 */
import { createHash } from 'node:crypto';
import { stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isShortage, messageOf } from '../kernel/result.ts';
import { connectKeeper } from './connect.ts';
import { isAlive, type HostIdentity, type ProcessIdentity } from './host-identity.ts';
import { openPlainFile } from './plain-file.ts';
import { findAttempt, scanProcesses, type ProcessScan, type ScannedProcess } from './processes.ts';
import { RUN_FILES, type AgentRecord, type Claim, type ExitRecord, type Sealed } from './protocol.ts';
import { readAgent, readClaim, readExit, readLimits, readSpec, type RecordReading } from './run-directory.ts';
import { readSentinel } from './sentinel.ts';

/** A file that speaks for the attempt. `sha256` is null when it was not or could not be read. */
export interface EvidenceFile {
  kind: 'spec' | 'claim' | 'agent' | 'exit' | 'limits' | 'sentinel' | 'output' | 'stderr';
  path: string;
  sha256: string | null;
  /** Null when it cannot be read. */
  bytes: number | null;
  /** Why it cannot be trusted, or null. */
  damage: string | null;
}

/** What the keeper room knows of an attempt; the first fields are the facts a verdict is made from. */
export interface Evidence {
  /** Why a record cannot be trusted, or null. */
  bad: string | null;
  claim: 'none' | 'tombstone' | 'keeper';
  sameHost: boolean;
  sameBoot: boolean;
  sameNamespace: boolean;
  foreignKeeperAnswers: boolean;
  agentRecorded: boolean;
  keeperAlive: boolean;
  agentAlive: boolean;
  straysAlive: boolean;
  exit: ExitRecord | null;
  keeper: ProcessIdentity | null;
  agent: ProcessIdentity | null;
  /** Living processes of the attempt other than keeper and agent. */
  strays: ProcessIdentity[];
  /** Living processes that started after the agent and whose environment cannot be read or was wiped. */
  perhaps: ProcessIdentity[];
  /** How "nothing of it lives" is known: by its token. Null when nothing of it can have run. */
  level: 'cgroup' | 'token' | null;
  /** Sizes of the files now; the exit record says how much of them counts. */
  outputBytes: number;
  stderrBytes: number;
  files: EvidenceFile[];
}

interface Records {
  exit: RecordReading<ExitRecord>;
  agent: RecordReading<AgentRecord>;
  claim: RecordReading<Claim>;
  others: { kind: 'spec' | 'limits'; reading: RecordReading<object> }[];
  sentinel: RecordReading<object>;
}

/** A scan is taken for older than a file below this difference: the clock of file times ticks in milliseconds. */
const CLOCK_SLACK_MS = 100;

/**
 * Gathers the evidence of one attempt. `scan` may serve many attempts; it is repeated here when the exit record is
 * younger. `deep` also hashes the output. Throws only when this host cannot be looked at, never for what is on the disk.
 */
export async function gatherEvidence(what: {
  runDir: string;
  attemptId: string;
  /** Id of this home's host. */
  host: string;
  identity: HostIdentity;
  scan: ProcessScan;
  deep?: boolean;
}): Promise<Evidence> {
  const { runDir, attemptId } = what;
  const records = await readRecords(runDir, attemptId);
  const claim = records.claim.kind === 'ok' ? records.claim.record : null;
  const agent = records.agent.kind === 'ok' ? identityOf(records.agent.record) : null;
  const exit = records.exit.kind === 'ok' ? records.exit.record : null;
  const keeper = claim !== null && !claim.tombstone ? identityOf(claim) : null;
  const where = compareHost(claim, what.host, what.identity);
  const isHere = where.sameHost && where.sameBoot && where.sameNamespace;
  const probe = await probeKeeper(runDir);
  const keeperAlive = probe.answers || (isHere && keeper !== null && isAlive(keeper));
  const agentAlive = isHere && agent !== null && isAlive(agent);
  const scan = exit !== null && !keeperAlive && (await isOlder(what.scan, runDir)) ? scanProcesses() : what.scan;
  const strays = findAttempt(scan, attemptId, agentAlive ? agent : null).filter(
    (one) => !isSame(one, agent) && !isSame(one, keeper) && isAlive(one),
  );
  const output = await inspectOutput(join(runDir, RUN_FILES.output), what.deep === true);
  const stderr = await inspectOutput(join(runDir, RUN_FILES.stderr), what.deep === true);
  const impossible =
    keeper !== null && !where.sameBoot && probe.answers ? 'its keeper answers, but claims another boot' : null;
  return {
    bad: output.bad ?? stderr.bad ?? findDamage(records, output.bytes, stderr.bytes) ?? probe.trouble ?? impossible,
    claim: claim === null ? 'none' : claim.tombstone ? 'tombstone' : 'keeper',
    ...where,
    foreignKeeperAnswers: !where.sameNamespace && probe.answers,
    agentRecorded: agent !== null,
    keeperAlive,
    agentAlive,
    straysAlive: strays.length > 0,
    exit,
    keeper,
    agent,
    strays,
    perhaps: agent === null || !isHere ? [] : listPerhaps(scan.perhaps, agent, keeper),
    level: agent === null ? null : 'token',
    outputBytes: output.bytes,
    stderrBytes: stderr.bytes,
    files: [...listRecords(records), ...listOutput('output', output), ...listOutput('stderr', stderr)],
  };
}

/** Reads the newest record first: a keeper at work writes them in the other order, so what is seen is never torn. */
async function readRecords(runDir: string, attempt: string): Promise<Records> {
  const exit = await readExit(runDir, attempt);
  const limits = await readLimits(runDir, attempt);
  const agent = await readAgent(runDir, attempt);
  const claim = await readClaim(runDir, attempt);
  const spec = await readSpec(runDir, attempt);
  const others = [
    { kind: 'spec' as const, reading: spec },
    { kind: 'limits' as const, reading: limits },
  ];
  return { exit, agent, claim, others, sentinel: await readSentinel(runDir, attempt) };
}

function compareHost(
  claim: Claim | null,
  host: string,
  identity: HostIdentity,
): Pick<Evidence, 'sameHost' | 'sameBoot' | 'sameNamespace'> {
  if (claim === null) return { sameHost: true, sameBoot: true, sameNamespace: true };
  const sameNamespace = claim.pidns === identity.pidns && claim.init === identity.init;
  return { sameHost: claim.host === host, sameBoot: claim.boot === identity.boot, sameNamespace };
}

/** Connecting is enough: the socket is open only in the keeper, and a stopped keeper connects but does not answer. */
async function probeKeeper(runDir: string): Promise<{ answers: boolean; trouble: string | null }> {
  try {
    const connection = await connectKeeper(runDir);
    connection?.close();
    return { answers: connection !== null, trouble: null };
  } catch (error) {
    // Its queue of connections is full: somebody holds the socket.
    if (errnoOf(error) === 'EAGAIN') return { answers: true, trouble: null };
    if (isShortage(error)) throw error;
    return { answers: false, trouble: `${join(runDir, RUN_FILES.socket)}: ${messageOf(error)}` };
  }
}

/** Returns what is wrong with the records, one by one and against each other, or null. */
function findDamage(records: Records, outputBytes: number, stderrBytes: number): string | null {
  const { exit, agent, claim } = records;
  for (const reading of [exit, agent, claim, ...records.others.map((one) => one.reading)]) {
    if (reading.kind === 'bad') return `${reading.path}: ${reading.why}`;
  }
  const later: RecordReading<{ claim: string }>[] = [agent, exit];
  for (const reading of later)
    if (reading.kind === 'ok') {
      const why = contradictsClaim(reading.record, claim);
      if (why !== null) return `${reading.path}: ${why}`;
    }
  if (exit.kind !== 'ok') return null;
  const { bytesOut, bytesErr } = exit.record;
  if (bytesOut > outputBytes) return `${exit.path}: vouches for ${bytesOut} bytes of output, there are ${outputBytes}`;
  if (bytesErr > stderrBytes) return `${exit.path}: vouches for ${bytesErr} bytes of stderr, there are ${stderrBytes}`;
  if (exit.record.started && agent.kind === 'absent') return `${exit.path}: says it ran, but agent.json is missing`;
  return null;
}

function contradictsClaim(record: { claim: string }, claim: RecordReading<Claim>): string | null {
  if (claim.kind !== 'ok') return 'there is no claim';
  if (claim.record.tombstone) return 'the attempt was sealed';
  return record.claim === claim.record.sum ? null : 'it belongs to another claim';
}

async function isOlder(scan: ProcessScan, runDir: string): Promise<boolean> {
  const { ctimeMs } = await stat(join(runDir, RUN_FILES.exit));
  return scan.takenAt < ctimeMs + CLOCK_SLACK_MS;
}

function listPerhaps(
  scanned: ScannedProcess[],
  agent: ProcessIdentity,
  keeper: ProcessIdentity | null,
): ProcessIdentity[] {
  return scanned
    .filter((one) => Number(one.start) >= Number(agent.start) && !isSame(one, agent) && !isSame(one, keeper))
    .filter((one) => isAlive(one))
    .map(identityOf);
}

function listRecords(records: Records): EvidenceFile[] {
  const read = [
    ...records.others,
    { kind: 'claim' as const, reading: records.claim },
    { kind: 'agent' as const, reading: records.agent },
    { kind: 'exit' as const, reading: records.exit },
    { kind: 'sentinel' as const, reading: records.sentinel },
  ];
  return read.flatMap(({ kind, reading }) =>
    reading.kind === 'absent'
      ? []
      : [
          {
            kind,
            path: reading.path,
            sha256: reading.sha256,
            bytes: reading.bytes,
            damage: reading.kind === 'bad' ? reading.why : null,
          },
        ],
  );
}

interface OutputFile {
  path: string;
  exists: boolean;
  bytes: number;
  sha256: string | null;
  bad: string | null;
}

/** The agent may have put something else in the place of its output: it is looked at, never followed. */
async function inspectOutput(path: string, deep: boolean): Promise<OutputFile> {
  const nothing = { path, exists: false, bytes: 0, sha256: null, bad: null };
  try {
    await using handle = await openPlainFile(path);
    if (handle === null) return nothing;
    const { size, nlink } = await handle.stat();
    const sha256 = deep ? await hashFile(handle) : null;
    return { path, exists: true, bytes: size, sha256, bad: nlink === 1 ? null : `${path}: it has another name` };
  } catch (error) {
    return { ...nothing, exists: true, bad: `${path}: ${messageOf(error)}` };
  }
}

function listOutput(kind: 'output' | 'stderr', file: OutputFile): EvidenceFile[] {
  return file.exists ? [{ kind, path: file.path, sha256: file.sha256, bytes: file.bytes, damage: file.bad }] : [];
}

async function hashFile(handle: FileHandle): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of handle.createReadStream({ autoClose: false, start: 0 })) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

function identityOf(one: ProcessIdentity | Sealed<Claim>): ProcessIdentity {
  return { pid: one.pid, start: one.start };
}

function isSame(one: ProcessIdentity, other: ProcessIdentity | null): boolean {
  return other !== null && one.pid === other.pid && one.start === other.start;
}
