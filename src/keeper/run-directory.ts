/**
 * The run directory as the server writes and reads it: the specification before the launch, the tombstone that forbids
 * a start, and every record read back with the difference between absent, sound and damaged.
 */
import { join } from 'node:path';
import { systemClock } from '../kernel/clock.ts';
import { createDurable, makeDirectory, removeDurable, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import { isShortage, messageOf } from '../kernel/result.ts';
import { readHostIdentity, readOwnIdentity, type ProcessIdentity } from './host-identity.ts';
import { readPlainFile } from './plain-file.ts';
import {
  ATTEMPT_VARIABLE,
  RUN_FILES,
  decodeRecord,
  encodeRecord,
  type AgentRecord,
  type Claim,
  type ExitRecord,
  type LimitsRecord,
  type Sealed,
  type Secrets,
  type Spec,
} from './protocol.ts';

/** A record as found: only ENOENT is `absent`; whatever cannot be read or trusted is `bad` and says why. */
export type RecordReading<T> =
  | { kind: 'absent'; path: string }
  | { kind: 'ok'; path: string; record: Sealed<T>; sha256: string; bytes: number }
  | { kind: 'bad'; path: string; why: string; sha256: string | null; bytes: number | null };

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Step 2 of an attempt: the run directory and its specification, durable before anything is launched. Sets the token in
 * the environment. Throws `bad-request` for what no process can be given: an empty command, a NUL character, or a
 * variable name the shell of the gate would drop.
 */
export async function prepareRunDirectory(what: {
  runDir: string;
  attemptId: string;
  spec: Spec;
  secrets?: Record<string, string>;
}): Promise<void> {
  const { runDir, attemptId } = what;
  const secrets = what.secrets ?? {};
  const hasSecrets = Object.keys(secrets).length > 0;
  const spec: Spec = {
    ...what.spec,
    env: { ...what.spec.env, [ATTEMPT_VARIABLE]: attemptId },
    secrets: hasSecrets,
  };
  checkRunnable(spec, secrets);
  await makeDirectory(runDir);
  if (hasSecrets) {
    const body: Secrets = { env: secrets };
    await writeDurable(join(runDir, RUN_FILES.secrets), encodeRecord(attemptId, body));
  }
  await writeDurable(join(runDir, RUN_FILES.spec), encodeRecord(attemptId, spec));
}

function checkRunnable(spec: Spec, secrets: Record<string, string>): void {
  if (spec.argv[0] === undefined || spec.argv[0] === '') throw fail('bad-request', 'the command is empty');
  const environment = Object.entries({ ...spec.env, ...secrets });
  for (const [name] of environment) {
    if (!VARIABLE_NAME.test(name)) throw fail('bad-request', `"${name}" is no name for an environment variable`);
  }
  const texts = [...spec.argv, spec.cwd, ...environment.map(([, value]) => value)];
  if (texts.some((text) => text.includes('\0'))) {
    throw fail('bad-request', 'the command, its directory or its environment holds a NUL character');
  }
}

/**
 * Gives up an attempt that may not have started: links a tombstone over the claim. `sealed` means that nothing can
 * start any more; `claimed` that a keeper was first and the evidence must be judged again.
 */
export async function sealAttempt(what: {
  runDir: string;
  attemptId: string;
  host: string;
}): Promise<'sealed' | 'claimed'> {
  const tombstone: Claim = {
    host: what.host,
    ...readHostIdentity(),
    ...readOwnIdentity(),
    at: systemClock.now(),
    tombstone: true,
  };
  await makeDirectory(what.runDir);
  const path = join(what.runDir, RUN_FILES.claim);
  const won = await createDurable(path, encodeRecord(what.attemptId, tombstone));
  if (!won) {
    const found = await readClaim(what.runDir, what.attemptId);
    if (found.kind !== 'ok' || !found.record.tombstone) return 'claimed';
  }
  await removeSecrets(what.runDir);
  return 'sealed';
}

/** Removes the secrets of an attempt that will not need them any more; fine when there are none. */
async function removeSecrets(runDir: string): Promise<void> {
  await removeDurable(join(runDir, RUN_FILES.secrets));
}

/** Whose run directory this is, by what its own records say. */
export interface RunOwner {
  attempt: string;
  /** Random id of the home it belongs to. */
  host: string;
  /** Who claimed it; null while nobody has, or when it is sealed. */
  keeper: (ProcessIdentity & Pick<Claim, 'boot' | 'pidns'>) | null;
}

/** Returns whose run directory this is, without knowing its attempt; null when no sound record says so. */
export async function readRunOwner(runDir: string): Promise<RunOwner | null> {
  const claim = await readNamed<Claim>(join(runDir, RUN_FILES.claim));
  if (claim !== null) {
    const { attempt, host, tombstone, pid, start, boot, pidns } = claim;
    return { attempt, host, keeper: tombstone ? null : { pid, start, boot, pidns } };
  }
  const spec = await readNamed<Spec>(join(runDir, RUN_FILES.spec));
  return spec === null ? null : { attempt: spec.attempt, host: spec.host, keeper: null };
}

/** A record read by the attempt it names itself; its checksum vouches for that. */
async function readNamed<T extends object>(path: string): Promise<Sealed<T> | null> {
  const text = await readPlainFile(path).catch(() => null);
  if (text === null) return null;
  try {
    const { attempt } = JSON.parse(text.toString('utf8')) as { attempt?: unknown };
    return typeof attempt === 'string' ? decodeRecord<T>(attempt, text.toString('utf8')) : null;
  } catch {
    return null;
  }
}

/** Reads spec.json. */
export function readSpec(runDir: string, attempt: string): Promise<RecordReading<Spec>> {
  return readRecord<Spec>(join(runDir, RUN_FILES.spec), attempt);
}

/** Reads the claim. */
export function readClaim(runDir: string, attempt: string): Promise<RecordReading<Claim>> {
  return readRecord<Claim>(join(runDir, RUN_FILES.claim), attempt);
}

/** Reads agent.json. */
export function readAgent(runDir: string, attempt: string): Promise<RecordReading<AgentRecord>> {
  return readRecord<AgentRecord>(join(runDir, RUN_FILES.agent), attempt);
}

/** Reads exit.json. */
export function readExit(runDir: string, attempt: string): Promise<RecordReading<ExitRecord>> {
  return readRecord<ExitRecord>(join(runDir, RUN_FILES.exit), attempt);
}

/** Reads limits.json: the limits as extended while the attempt ran. */
export function readLimits(runDir: string, attempt: string): Promise<RecordReading<LimitsRecord>> {
  return readRecord<LimitsRecord>(join(runDir, RUN_FILES.limits), attempt);
}

/** Reads the record at `path`, which must be of `attempt`. Never throws for what lies on the disk. */
export async function readRecord<T extends object>(path: string, attempt: string): Promise<RecordReading<T>> {
  let bytes: Buffer | null;
  try {
    bytes = await readPlainFile(path);
  } catch (error) {
    // Ours, not the file's: to call a record damaged for it would quarantine a healthy attempt.
    if (isShortage(error)) throw error;
    return { kind: 'bad', path, why: messageOf(error), sha256: null, bytes: null };
  }
  if (bytes === null) return { kind: 'absent', path };
  const digest = sha256(bytes);
  try {
    return {
      kind: 'ok',
      path,
      record: decodeRecord<T>(attempt, bytes.toString('utf8')),
      sha256: digest,
      bytes: bytes.length,
    };
  } catch (error) {
    return { kind: 'bad', path, why: messageOf(error), sha256: digest, bytes: bytes.length };
  }
}
