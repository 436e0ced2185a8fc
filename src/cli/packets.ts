/** Packets as people write them down: JSON, YAML, or Markdown with front matter; one, or a list of them. */
import { open } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { fail } from '../kernel/errors.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';

/** Larger files hold no work items. */
const MAX_FILE_BYTES = 4 * 2 ** 20;

/** A few lines of aliases of aliases can stand for gigabytes. */
const MAX_ALIASES = 100;

/** A packet as it stands in a file, not judged yet. */
export interface WrittenPacket {
  /** Of the file, with its place in it when there are several. */
  name: string;
  value: unknown;
}

/** Returns the packets of a file. Throws `bad-packet` that names the file and what is wrong with it. */
export async function readPackets(path: string, cwd: string): Promise<WrittenPacket[]> {
  const text = await readText(isAbsolute(path) ? path : join(cwd, path), path);
  const values = parse(text, path);
  if (values.length === 0) throw fail('bad-packet', `${path} holds no packet`);
  return values.map((value, index) => ({ name: values.length === 1 ? path : `${path} #${index + 1}`, value }));
}

async function readText(full: string, path: string): Promise<string> {
  try {
    await using file = await open(full);
    const stat = await file.stat();
    if (!stat.isFile()) throw fail('bad-packet', `${path} is not a file`);
    if (stat.size > MAX_FILE_BYTES) throw fail('bad-packet', `${path} has more than ${MAX_FILE_BYTES} bytes`);
    return await file.readFile('utf8');
  } catch (error) {
    if (errnoOf(error) === null) throw error;
    throw fail('bad-packet', `${path} cannot be read: ${messageOf(error)}`);
  }
}

/** `---`, YAML, `---`, then text. */
const FRONT_MATTER = /^---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n([\s\S]*))?$/;

function parse(text: string, path: string): unknown[] {
  const matter = /\.(?:md|markdown)$/i.test(path) ? FRONT_MATTER.exec(text) : null;
  if (matter !== null) return [withBody(parseYaml(matter[1] ?? '', path)[0], matter[2] ?? '')];
  // JSON is YAML too; of several documents or a list each is a packet.
  return parseYaml(text, path).flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value]));
}

/** The text below the front matter says more about the work: it is the goal where none is named, else the context. */
function withBody(value: unknown, body: string): unknown {
  const text = body.trim();
  if (text === '' || typeof value !== 'object' || value === null) return value;
  return 'goal' in value ? { context: text, ...value } : { goal: text, ...value };
}

function parseYaml(text: string, path: string): unknown[] {
  // The core schema makes strings, numbers, lists and maps, and nothing that runs or grows beyond what was written.
  const documents = parseAllDocuments(text, { schema: 'core', uniqueKeys: true });
  if (!Array.isArray(documents)) return [];
  return documents.map((document) => {
    const [wrong] = document.errors;
    if (wrong !== undefined)
      throw fail('bad-packet', `${path}: ${wrong.message.split('\n')[0] ?? 'it cannot be read'}`);
    try {
      return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
    } catch (error) {
      throw fail('bad-packet', `${path}: ${messageOf(error)}`);
    }
  });
}
