/**
 * Containers and networks of docker or podman, by the full id the engine itself gives them: names can be given to
 * something else, ids cannot. Only the engine saying that an id does not exist means that it is gone; an engine that
 * does not answer proves nothing.
 */
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { runChild, type ChildResult } from './run-child.ts';

export type EngineKind = 'container' | 'network';

/** An engine's command line. */
export interface Engine {
  /** Tried in order; the first one that is installed is used. */
  commands: readonly (readonly string[])[];
  /** Complete environment of the command. */
  env: Readonly<Record<string, string>>;
}

/** What an engine says of something. */
export interface EngineObject {
  /** 64 hexadecimal characters. */
  id: string;
  /** Milliseconds since 1970, or null when the engine does not say. */
  createdAt: number | null;
}

const TIMEOUT_MS = 60_000;
const MAX_BYTES = 4 * 2 ** 20;
const FULL_ID = /^[0-9a-f]{64}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/;
/** docker: `No such container: x`, `network x not found`; podman: `no such container`, `network not found`. */
const ABSENT = /no such (?:container|network|object)|network (?:\S+ )?not found/i;

/**
 * Returns what the engine has under this name or id, or null when it says that there is nothing. Throws
 * `resource-refused` for what cannot be a name, `resource-failed` when no engine is installed or it does not answer.
 */
export async function inspectEngine(engine: Engine, kind: EngineKind, name: string): Promise<EngineObject | null> {
  if (!NAME.test(name)) throw fail('resource-refused', `"${name}" cannot name a ${kind}`);
  const { result, command } = await run(engine, [kind, 'inspect', name], undefined);
  if (result.code !== 0) {
    if (!result.timedOut && ABSENT.test(result.stderr)) return null;
    throw failed(`${command} ${kind} inspect`, result);
  }
  const found = readAnswer(result.stdout.toString('utf8'));
  if (found === null) throw fail('resource-failed', `${command} ${kind} inspect does not name a full id`);
  return found;
}

/**
 * Removes exactly the container or network with this full id, running or not, with a container's anonymous volumes;
 * returns false when there was none. It is verified gone before this returns. Throws `resource-failed`.
 */
export async function removeFromEngine(
  engine: Engine,
  what: { kind: EngineKind; id: string; op: string },
): Promise<boolean> {
  const { kind, id, op } = what;
  if (!FULL_ID.test(id)) throw fail('resource-refused', `"${id}" is not the full id of a ${kind}`);
  const found = await inspectEngine(engine, kind, id);
  if (found === null) return false;
  if (found.id !== id) throw fail('resource-failed', `the engine answers for ${id} with ${found.id}`);
  const args = kind === 'container' ? ['container', 'rm', '--force', '--volumes', id] : ['network', 'rm', id];
  const { result, command } = await run(engine, args, op);
  if ((await inspectEngine(engine, kind, id)) === null) return true;
  throw failed(`${command} ${kind} rm`, result);
}

async function run(
  engine: Engine,
  args: string[],
  op: string | undefined,
): Promise<{ result: ChildResult; command: string }> {
  for (const command of engine.commands) {
    const argv = [...command, ...args];
    try {
      const child = { argv, cwd: '/', env: engine.env, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES, op };
      return { result: await runChild(child), command: command.join(' ') };
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  const names = engine.commands.map((command) => command[0]).join(' or ');
  throw fail('resource-failed', `${names} is not installed`, {
    hint: 'Install it, or set resources.containerCommand in holdfast.config.json.',
  });
}

function failed(what: string, result: ChildResult): Error {
  const how = result.timedOut ? 'took too long' : `ended with ${result.signal ?? String(result.code)}`;
  const text = result.stderr.trim().slice(-500);
  return fail('resource-failed', `${what} ${how}${text === '' ? '' : `: ${text}`}`);
}

/** docker writes `Id` and `Created`, podman's networks `id` and `created`: a list with one object. */
function readAnswer(text: string): EngineObject | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const one: unknown = Array.isArray(parsed) && parsed.length === 1 ? parsed[0] : null;
  if (one === null || typeof one !== 'object') return null;
  const fields = new Map(Object.entries(one).map(([name, value]) => [name.toLowerCase(), value as unknown]));
  const id = fields.get('id');
  if (typeof id !== 'string' || !FULL_ID.test(id)) return null;
  const created = Date.parse(String(fields.get('created')));
  return { id, createdAt: Number.isNaN(created) ? null : created };
}
