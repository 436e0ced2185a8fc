/**
 * Packets: structured work items. A packet is judged as data and nothing in it is a command: it brings no gate, no
 * repository settings and no verdict. A weak one (a field missing or empty) is accepted and blocked, with the fields
 * named, so that it does not hold up the good ones it came with.
 */
import { z } from 'zod';
import { canonicalJson, sha256 } from '../kernel/hash.ts';

const LINE = /^[^\u0000-\u001f\u007f]*$/;
const MAX_TEXT = 64 * 1024;

const line = (max: number): z.ZodString => z.string().trim().max(max).regex(LINE, 'must be one line');
const text = z.string().trim().max(MAX_TEXT);

/** A path or glob inside the repository. */
const pathSchema = line(512).refine(isInside, 'must be a relative path inside the repository');

const linkSchema = z.union([
  z
    .url()
    .max(2048)
    .transform((url) => ({ title: url, url })),
  z.strictObject({ title: line(200), url: z.url().max(2048) }),
]);

/** Version 1 of a packet. Every field may be absent or empty here: which ones must not be is `listMissing`'s to say. */
export const packetSchema = z
  .strictObject({
    v: z.literal(1).default(1),
    id: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be up to 63 lower-case letters, digits and hyphens')
      .optional()
      .meta({ description: 'What others that are sent with it name it by.' }),
    title: line(200).default(''),
    goal: text.default(''),
    context: text.default(''),
    acceptance: z.array(text).max(100).default([]).meta({ description: 'Acceptance criteria, each a sentence.' }),
    scope: z.array(pathSchema).max(200).default([]).meta({ description: 'Paths and globs the work may touch.' }),
    dependencies: z
      .array(line(128))
      .max(100)
      .default([])
      .meta({ description: 'Ids of packets that are sent with it, or jobs: it comes after them.' }),
    risk: z.enum(['low', 'medium', 'high']).optional(),
    links: z.array(linkSchema).max(50).default([]),
  })
  .meta({ id: 'Packet' });
export type Packet = z.infer<typeof packetSchema>;

/** Whether a path stays inside: no root, no drive, no `..`, no `.git`. */
function isInside(path: string): boolean {
  if (path === '' || path.startsWith('/') || path.includes('\\') || /^[a-z]:/i.test(path)) return false;
  return path.split('/').every((part) => part !== '..' && part.toLowerCase() !== '.git');
}

export interface JudgedPacket {
  packet: Packet;
  /** Fields without which nobody could do or judge the work; empty for a good packet. */
  missing: string[];
  /** sha256 of its canonical form: the same packet has the same one, however it was written down. */
  sha256: string;
}

/** Shortest goal that says anything, characters. */
const LEAST_GOAL_CHARS = 20;

/** Returns the packet, or what is wrong with its form, one sentence each. */
export function judgePacket(value: unknown): JudgedPacket | { faults: string[] } {
  const parsed = packetSchema.safeParse(value);
  if (!parsed.success) return { faults: parsed.error.issues.map(describeIssue) };
  const packet = parsed.data;
  return { packet, missing: listMissing(packet), sha256: sha256(canonicalJson(packet)) };
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.length === 0 ? 'the packet' : issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') return `${where}: ${issue.message}`;
  const gates = issue.keys.filter((key) => /^(gates?|verify|review|verdict|checks?|status|state|stage)$/i.test(key));
  const also = gates.length === 0 ? '' : ': a packet cannot bring or pass gates, they are the repository’s';
  return `${where} has no field ${issue.keys.map((key) => `"${key}"`).join(', ')}${also}`;
}

function listMissing(packet: Packet): string[] {
  const missing: string[] = [];
  if (packet.title === '') missing.push('title');
  if (packet.goal.length < LEAST_GOAL_CHARS) missing.push('goal');
  if (!packet.acceptance.some((one) => one !== '')) missing.push('acceptance');
  if (packet.scope.length === 0) missing.push('scope');
  if (packet.risk === undefined) missing.push('risk');
  return missing;
}

/** A job by its number or its id; every other word is the name of a packet. */
const JOB_REFERENCE = /^(?:\d{1,15}|job_[0-9a-z]+)$/;

/** Returns which of the dependencies of a packet are jobs, and which are names that only its sender knows. */
export function splitDependencies({ dependencies }: Packet): { jobs: string[]; names: string[] } {
  const jobs = dependencies.filter((one) => JOB_REFERENCE.test(one));
  return { jobs, names: dependencies.filter((one) => !jobs.includes(one)) };
}

/**
 * Returns why nobody could do or judge the work of a packet, as one sentence; null for a good one. `unknown` are names it
 * depends on that stand for no job.
 */
export function describeWeakness(missing: readonly string[], unknown: readonly string[] = []): string | null {
  if (missing.length > 0) return `the packet lacks ${missing.join(', ')}`;
  if (unknown.length === 0) return null;
  return `it depends on ${unknown.join(', ')}, and nothing says which jobs these are: send it with \`after\``;
}

/** Returns the prompt of a packet: the same packet gives the same text. */
export function renderPacket(packet: Packet): string {
  const list = (items: readonly string[]): string => items.map((item) => `- ${item}`).join('\n');
  const sections: [string, string][] = [
    ['Goal', packet.goal],
    ['Context', packet.context],
    ['Acceptance criteria', list(packet.acceptance.filter((one) => one !== ''))],
    ['Scope: change nothing outside of these paths', list(packet.scope)],
    ['Risk', packet.risk ?? ''],
    ['Links', list(packet.links.map(({ title, url }) => (title === url ? url : `${title}: ${url}`)))],
  ];
  const shown = sections.filter(([, body]) => body !== '').map(([heading, body]) => `## ${heading}\n\n${body}`);
  return [`# ${packet.title}`, ...shown, '## When you are done\n\nCommit everything that belongs to the work.'].join(
    '\n\n',
  );
}

/** Returns the part of a branch name that tells what it is about: `fix-the-login`. */
export function slugOf(title: string): string {
  const plain = title
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-');
  const short = plain
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 48)
    .replace(/-+$/, '');
  return short === '' ? 'work' : short;
}
