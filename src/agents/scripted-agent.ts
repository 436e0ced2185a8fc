/**
 * The program behind agent `scripted`, a process of its own: it plays the scenario of its session step by step and
 * says what it does as events. Like a real engine it keeps the session in its own HOME, so that a new process can go
 * on after the last completed step, and knows nothing of Holdfast. Options: `--home=DIR`, for a reviewer `--review=QUESTION`, in a pipeline `--blocked=FILE`, and either `--session=ID
 * --scenario=FILE` (start) or `--resume=ID --continue=TEXT`, with `--round=NAME --scenario=FILE` for one more round of the
 * session. It works in the current directory.
 */
import { appendFileSync, closeSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createDurableSync, makeDirectorySync, readIfExistsSync } from '../kernel/durable.ts';
import { messageOf } from '../kernel/result.ts';
import { EVENT_PREFIX, parseScenario, type Scenario } from './scenario.ts';
import { openInside, playStep, type Ending } from './scripted-steps.ts';

interface Session {
  id: string;
  mode: 'start' | 'resume';
  scenario: Scenario;
  /** Steps that are behind us. */
  done: number;
  file: string;
  /** What a reviewer was asked, as JSON. */
  review: string | null;
  /** File that says why it cannot go on. */
  blocked: string | null;
}

/** Something this program refuses to do; told as its final event. */
class Refusal extends Error {
  readonly why: 'unresumable' | null;
  constructor(message: string, why: 'unresumable' | null = null) {
    super(message);
    this.why = why;
  }
}

function readOptions(argv: string[]): Map<string, string> {
  return new Map(
    argv.map((word) => {
      const match = /^--([a-z]+)=([\s\S]*)$/.exec(word);
      if (match === null) throw new Refusal(`unknown option "${word.slice(0, 200)}"`);
      return [match[1] ?? '', match[2] ?? ''];
    }),
  );
}

/** Takes up the session the options name; each start is recorded first, the refused ones too. */
function openSession(options: Map<string, string>, home: string): Session {
  const resumed = options.get('resume');
  const review = options.get('review') ?? null;
  const blocked = options.get('blocked') ?? null;
  const round = options.get('round');
  const id = resumed ?? options.get('session') ?? '';
  if (!/^[\w-]{1,128}$/.test(id)) throw new Refusal(`"${id}" is not a session id`);
  const directory = join(home, '.scripted');
  makeDirectorySync(directory);
  const file = join(directory, `${id}.jsonl`);
  if (resumed === undefined) {
    const text = readFileSync(options.get('scenario') ?? '', 'utf8');
    const session: Session = { id, mode: 'start', scenario: parseScenario(text), done: 0, file, review, blocked };
    recordStart(home, session);
    // A session id is used once: two starts of it are two agents in one workspace.
    if (createDurableSync(file, `${JSON.stringify({ session: id, scenario: text, round })}\n`)) return session;
    throw new Refusal(`Session ID ${id} is already in use.`, 'unresumable');
  }
  const last = readKept(file);
  const isNext = last !== null && round !== undefined && last.round !== round;
  const text = isNext ? readFileSync(options.get('scenario') ?? '', 'utf8') : null;
  const kept = text === null ? last : { scenario: parseScenario(text), done: 0 };
  const session: Session = {
    id,
    mode: 'resume',
    scenario: kept?.scenario ?? NO_SCENARIO,
    done: kept?.done ?? 0,
    file,
    review,
    blocked,
  };
  recordStart(home, session);
  if ((options.get('continue') ?? '').trim() === '') throw new Refusal('nothing was said to continue with');
  if (kept === null) throw new Refusal(`No session found with ID: ${id}`, 'unresumable');
  if (text !== null) appendFileSync(file, `${JSON.stringify({ scenario: text, round })}\n`);
  return session;
}

const NO_SCENARIO: Scenario = { startsFile: null, steps: [], tasks: {} };

interface Kept {
  scenario: Scenario;
  done: number;
  /** Of the newest scenario; absent for the work itself. */
  round: string | undefined;
}

/** What earlier processes of the session left; null when there were none, or their file is of no use. */
function readKept(file: string): Kept | null {
  // The last piece is empty, or a line torn by the death of the process before this one.
  const lines = (readIfExistsSync(file)?.toString('utf8') ?? '').split('\n').slice(0, -1);
  try {
    const records = lines.map((line) => JSON.parse(line) as { scenario?: string; round?: string; done?: number });
    const begun = records.findLast(({ scenario }) => scenario !== undefined);
    const { done = 0 } = records.at(-1) ?? {};
    return begun === undefined ? null : { scenario: parseScenario(begun.scenario ?? ''), done, round: begun.round };
  } catch {
    return null;
  }
}

function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

function emit(kind: string, fields: object): void {
  write(1, `${JSON.stringify({ holdfast: kind, ...fields })}\n`);
}

function print(fd: 1 | 2, text: string): void {
  const lines = text.split('\n').map((line) => (line.startsWith(EVENT_PREFIX) ? ` ${line}` : line));
  write(fd, `${lines.join('\n')}\n`);
}

function recordStart(home: string, session: Session): void {
  const line = `${new Date().toISOString()} pid ${process.pid} ${session.mode} ${session.id} after step ${session.done}\n`;
  const { startsFile } = session.scenario;
  if (startsFile === null) return appendFileSync(join(home, '.holdfast-starts'), line);
  const fd = openInside(startsFile, 'append');
  write(fd, line);
  closeSync(fd);
}

async function play(session: Session): Promise<Ending> {
  const { steps } = session.scenario;
  // What a finished step did to the process itself is gone with the process it did it to.
  const settings = steps.slice(0, session.done).filter((step) => step.kind === 'ignoreSigterm');
  const stage = {
    emit,
    print,
    directory: dirname(session.file),
    session: session.id,
    review: session.review,
    blocked: session.blocked,
  };
  for (const step of settings) await playStep(step, 0, stage);
  for (const [index, step] of steps.entries()) {
    if (index < session.done) continue;
    let ending: Ending | null;
    try {
      ending = await playStep(step, index + 1, stage);
    } catch (error) {
      return { code: 1, final: { ok: false, reason: `step ${index + 1}: ${messageOf(error)}` } };
    }
    if (ending !== null) return ending;
    appendFileSync(session.file, `{"done":${index + 1}}\n`);
  }
  return { code: 0, final: { ok: true, text: `${steps.length} steps played` } };
}

async function main(): Promise<Ending> {
  try {
    const options = readOptions(process.argv.slice(2));
    const home = options.get('home');
    if (home === undefined) throw new Refusal('--home is missing');
    const session = openSession(options, home);
    emit('session', { id: session.id, mode: session.mode, pid: process.pid, after: session.done });
    return await play(session);
  } catch (error) {
    const cause = error instanceof Refusal && error.why !== null ? { cause: error.why } : {};
    return { code: 1, final: { ok: false, reason: messageOf(error), ...cause } };
  }
}

const { code, final } = await main();
if (final !== null) emit('final', final);
process.exit(code);
