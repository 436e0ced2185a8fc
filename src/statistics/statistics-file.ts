/**
 * The file `statistics.json`: a tally, whole or not at all, under a sum. It is a copy of what the journal says, so nothing
 * is lost with it; but what it says is only believed when every part of it is what this version would have written.
 */
import { failpoint } from '../kernel/failpoints.ts';
import { readIfExists, renameDurable, writeDurable } from '../kernel/durable.ts';
import { sha256 } from '../kernel/hash.ts';
import { messageOf } from '../kernel/result.ts';
import { OUTCOMES, STAGES, type BootSpan } from './course.ts';
import { listBuckets, MAX_BUCKET, type Histogram } from './histogram.ts';
import { emptyGroup, MAX_BOOTS, MAX_GROUPS, type Group, type TallyState } from './tally.ts';

/** Grows when the form of the file, or what is counted, changes: a file of another version is counted anew. */
const VERSION = 1;

/** What lies there. */
type Reading =
  | { kind: 'ok'; state: TallyState }
  | { kind: 'absent' }
  /** Of another version: nothing is wrong, and nothing of it can be used. */
  | { kind: 'foreign' }
  | { kind: 'damaged'; why: string };

function sumOf(version: unknown, body: string): string {
  return sha256(`${JSON.stringify(version)} ${body}`);
}

/** Returns the text of the file. */
export function encodeStatistics(state: TallyState, version = VERSION): string {
  const body = {
    ...state,
    groups: state.groups.map(encodeGroup),
    other: encodeGroup(state.other),
  };
  const text = JSON.stringify(body);
  return `{"v":${version},"sum":"${sumOf(version, text)}","body":${text}}\n`;
}

function encodeGroup(group: Group): object {
  const stages = Object.fromEntries(STAGES.map((stage) => [stage, listBuckets(group.stages[stage])]));
  return { ...group, stages };
}

/** Returns what a text of the file says. */
export function decodeStatistics(text: string): Reading {
  try {
    const file = asRecord(JSON.parse(text));
    // Parsed and written again, so that the sum covers what is used and not how it was laid out.
    const sum = sumOf(file['v'], JSON.stringify(file['body']));
    if (file['sum'] !== sum) return { kind: 'damaged', why: 'its sum is wrong' };
    if (file['v'] !== VERSION) return { kind: 'foreign' };
    return { kind: 'ok', state: decodeState(asRecord(file['body'])) };
  } catch (error) {
    return { kind: 'damaged', why: messageOf(error) };
  }
}

function decodeState(body: Record<string, unknown>): TallyState {
  const groups = asArray(body['groups'], MAX_GROUPS).map((one) => decodeGroup(asRecord(one)));
  const throughHash = body['throughHash'];
  if (typeof throughHash !== 'string') throw new Error('it does not say how far it counted');
  return {
    throughSeq: asCount(body['throughSeq']),
    throughHash,
    boots: asArray(body['boots'], MAX_BOOTS).map((one) => decodeBoot(asRecord(one))),
    groups,
    other: decodeGroup(asRecord(body['other'])),
  };
}

function decodeBoot(boot: Record<string, unknown>): BootSpan {
  const { startSeq, readySeq } = boot;
  return { startSeq: asCount(startSeq), readySeq: readySeq === null ? null : asCount(readySeq) };
}

function decodeGroup(value: Record<string, unknown>): Group {
  const group = emptyGroup(asName(value['repository']), asName(value['agent']));
  const ended = asRecord(value['ended']);
  for (const outcome of OUTCOMES) group.ended[outcome] = asCount(ended[outcome]);
  const stages = asRecord(value['stages']);
  for (const stage of STAGES) group.stages[stage] = decodeHistogram(stages[stage]);
  const leftOut = asRecord(value['leftOut']);
  group.leftOut = { downtime: asCount(leftOut['downtime']), clock: asCount(leftOut['clock']) };
  return group;
}

function decodeHistogram(value: unknown): Histogram {
  const histogram: Histogram = new Map();
  for (const pair of asArray(value, MAX_BUCKET + 1)) {
    const [bucket, count] = asArray(pair, 2);
    if (asCount(bucket) > MAX_BUCKET) throw new Error('it has a bucket that does not exist');
    histogram.set(asCount(bucket), asCount(count));
  }
  return histogram;
}

function asRecord(value: unknown): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error('a part of it is missing');
  return value as Record<string, unknown>;
}

function asArray(value: unknown, max: number): unknown[] {
  if (!Array.isArray(value) || value.length > max) throw new Error('a list in it is missing or too long');
  return value;
}

function asCount(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new Error('a number in it cannot be one');
  return value as number;
}

function asName(value: unknown): string | null {
  if (value !== null && typeof value !== 'string') throw new Error('a name in it cannot be one');
  return value;
}

/** Reads the file. Throws when it is there and cannot be read: that proves nothing. */
export async function readStatistics(path: string): Promise<Reading> {
  const bytes = await readIfExists(path);
  return bytes === null ? { kind: 'absent' } : decodeStatistics(bytes.toString());
}

/** Replaces the file, durably and whole. */
export async function writeStatistics(path: string, text: string): Promise<void> {
  failpoint('statistics.before-write');
  await writeDurable(path, text);
  failpoint('statistics.after-write');
}

/** Keeps a file that is not to be believed beside its place; returns the name it has now. */
export async function setAsideStatistics(path: string): Promise<string> {
  const kept = `${path}.damaged`;
  await renameDurable(path, kept);
  return kept;
}
