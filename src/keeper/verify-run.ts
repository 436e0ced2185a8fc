/**
 * Whether the run directory of an attempt that is over still says what the store recorded of it: every record by its
 * sum, against the claim and against the row, and the output by length and hash. Reads only.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, isShortage, messageOf } from '../kernel/result.ts';
import { openPlainFile } from './plain-file.ts';
import { RUN_FILES, type AgentRecord, type Claim, type ExitRecord } from './protocol.ts';
import { readAgent, readClaim, readExit, readLimits, readSpec, type RecordReading } from './run-directory.ts';
import { readSentinel } from './sentinel.ts';

/** What the store recorded of an attempt that is over. */
export interface RecordedRun {
  state: 'finished' | 'interrupted' | 'never_ran';
  verdict: string;
  exitCode: number | null;
  exitSignal: string | null;
  outputBytes: number;
  outputSha256: string | null;
  stderrSha256: string | null;
}

export interface RunFault {
  /** Which file: `spec`, `claim`, `agent`, `exit`, `limits`, `sentinel`, `output`, `stderr`, or `run-directory` when all is gone. */
  kind: string;
  path: string;
  why: string;
}

/** Returns the hashes of what an attempt printed, over the recorded bytes; null for a file that is not there or shorter. */
export async function hashRecordedOutput(
  runDir: string,
  bytes: { output: number; stderr: number },
): Promise<{ outputSha256: string | null; stderrSha256: string | null }> {
  return {
    outputSha256: await hashBegin(join(runDir, RUN_FILES.output), bytes.output),
    stderrSha256: await hashBegin(join(runDir, RUN_FILES.stderr), bytes.stderr),
  };
}

async function hashBegin(path: string, bytes: number): Promise<string | null> {
  await using handle = await openPlainFile(path);
  if (handle === null) return null;
  const digest = createHash('sha256');
  if (bytes === 0) return digest.digest('hex');
  let seen = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false, start: 0, end: bytes - 1 })) {
    seen += (chunk as Buffer).length;
    digest.update(chunk as Buffer);
  }
  return seen === bytes ? digest.digest('hex') : null;
}

interface Readings {
  spec: RecordReading<object>;
  claim: RecordReading<Claim>;
  agent: RecordReading<AgentRecord>;
  limits: RecordReading<object>;
  exit: RecordReading<ExitRecord>;
  sentinel: RecordReading<object>;
}

/**
 * Returns what is wrong with a run directory, and how many files of each kind were looked at. Output longer than `hashUpTo` bytes is
 * held against its length only. Throws only for a shortage of our own.
 */
export async function verifyRun(what: {
  runDir: string;
  attemptId: string;
  recorded: RecordedRun;
  hashUpTo: number;
}): Promise<{ checked: Record<string, number>; faults: RunFault[] }> {
  const { runDir, attemptId, recorded } = what;
  if (!(await exists(runDir))) {
    return { checked: { 'run-directory': 1 }, faults: [{ kind: 'run-directory', path: runDir, why: 'it is missing' }] };
  }
  const readings: Readings = {
    spec: await readSpec(runDir, attemptId),
    claim: await readClaim(runDir, attemptId),
    agent: await readAgent(runDir, attemptId),
    limits: await readLimits(runDir, attemptId),
    exit: await readExit(runDir, attemptId),
    sentinel: await readSentinel(runDir, attemptId),
  };
  const there = Object.entries(readings).filter(([, reading]) => reading.kind !== 'absent');
  const faults: RunFault[] = [];
  for (const [kind, reading] of there) {
    // The heartbeat is replaced without fsync: a power cut, which is one way to be interrupted, may tear it.
    const isOrdinary = kind === 'sentinel' && recorded.state === 'interrupted';
    if (reading.kind === 'bad' && !isOrdinary) faults.push({ kind, path: reading.path, why: reading.why });
  }
  faults.push(...findMissing(readings, recorded), ...compareWithClaim(readings), ...compareExit(readings, recorded));
  const printed = await verifyOutput(what, readings);
  const kinds = [...there.map(([kind]) => kind), ...printed.checked];
  return { checked: Object.fromEntries(kinds.map((kind) => [kind, 1])), faults: [...faults, ...printed.faults] };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Which records an attempt that ended like this has left. */
function findMissing(readings: Readings, recorded: RecordedRun): RunFault[] {
  const needed: (keyof Readings)[] = ['claim'];
  if (readings.claim.kind === 'ok' && !readings.claim.record.tombstone) needed.push('spec');
  if (recorded.state !== 'never_ran') needed.push('spec', 'agent');
  if (recorded.verdict === 'FINISHED') needed.push('exit');
  return [...new Set(needed)]
    .filter((kind) => readings[kind].kind === 'absent')
    .map((kind) => ({ kind, path: readings[kind].path, why: 'it is missing' }));
}

function compareWithClaim({ claim, agent, exit }: Readings): RunFault[] {
  if (claim.kind !== 'ok') return [];
  const faults: RunFault[] = [];
  for (const [kind, reading] of Object.entries({ agent, exit })) {
    if (reading.kind !== 'ok') continue;
    const why = claim.record.tombstone ? 'the attempt was sealed' : 'it belongs to another claim';
    if (claim.record.tombstone || reading.record.claim !== claim.record.sum)
      faults.push({ kind, path: reading.path, why });
  }
  return faults;
}

function compareExit({ exit }: Readings, recorded: RecordedRun): RunFault[] {
  if (exit.kind !== 'ok' || recorded.verdict !== 'FINISHED') return [];
  const { code, signal, bytesOut } = exit.record;
  const faults: RunFault[] = [];
  const compare = (name: string, said: unknown, known: unknown): void => {
    if (said === known) return;
    const why = `it says ${name} ${String(said)}, the store recorded ${String(known)}`;
    faults.push({ kind: 'exit', path: exit.path, why });
  };
  compare('exit code', code, recorded.exitCode);
  compare('signal', signal, recorded.exitSignal);
  compare('bytes of output', bytesOut, recorded.outputBytes);
  return faults;
}

async function verifyOutput(
  what: { runDir: string; recorded: RecordedRun; hashUpTo: number },
  { exit }: Readings,
): Promise<{ checked: string[]; faults: RunFault[] }> {
  const { runDir, recorded, hashUpTo } = what;
  const found = { checked: [] as string[], faults: [] as RunFault[] };
  if (recorded.state === 'never_ran') return found;
  // Where the record that tells its length is what is damaged, all that is there is held against the hash.
  const unknown = recorded.verdict === 'FINISHED' ? null : 0;
  const streams = [
    { kind: 'output', bytes: recorded.outputBytes, sha256: recorded.outputSha256 },
    { kind: 'stderr', bytes: exit.kind === 'ok' ? exit.record.bytesErr : unknown, sha256: recorded.stderrSha256 },
  ] as const;
  for (const { kind, bytes, sha256 } of streams) {
    if (sha256 === null && (bytes === 0 || bytes === null)) continue;
    const path = join(runDir, RUN_FILES[kind]);
    found.checked.push(kind);
    try {
      const why = await inspectStream(path, { bytes, sha256, hashUpTo });
      if (why !== null) found.faults.push({ kind, path, why });
    } catch (error) {
      if (isShortage(error)) throw error;
      found.faults.push({ kind, path, why: messageOf(error) });
    }
  }
  return found;
}

async function inspectStream(
  path: string,
  known: { bytes: number | null; sha256: string | null; hashUpTo: number },
): Promise<string | null> {
  const size = await sizeOf(path);
  if (size === null) return 'it is missing';
  const bytes = known.bytes ?? size;
  if (size < bytes) return `it holds ${size} bytes, ${bytes} were recorded`;
  if (known.sha256 === null || bytes > known.hashUpTo) return null;
  return (await hashBegin(path, bytes)) === known.sha256 ? null : 'it does not match the hash that was recorded';
}

async function sizeOf(path: string): Promise<number | null> {
  await using handle = await openPlainFile(path);
  return handle === null ? null : (await handle.stat()).size;
}
