/**
 * The steps of a scenario, carried out inside the process of agent `scripted`. Files are opened below the current
 * directory only and never through a symbolic link. This is the one file of the room that starts processes: they are
 * the agent's tools, not ours.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, lstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '../kernel/backoff.ts';
import { errnoOf } from '../kernel/result.ts';
import type { Step, Work } from './scenario.ts';

/** How a play ends: the exit code, and the final event, or null to end without one. */
export interface Ending {
  code: number;
  final: { ok: boolean; text?: string; reason?: string; cause?: 'api' | 'unresumable' } | null;
}

/** What a step may use of the program. */
export interface Stage {
  emit(kind: string, fields: object): void;
  print(fd: 1 | 2, text: string): void;
  /** Where the session keeps its files, outside the workspace. */
  directory: string;
  session: string;
  /** What a reviewer was asked, as JSON; null for who is none. */
  review: string | null;
  /** File that says why it cannot go on; null where there is none. */
  blocked: string | null;
}

const TICK = 'i=0; while [ "$i" -lt "$1" ]; do i=$((i+1)); echo "tick $i pid $$"; sleep "$2"; done';
const COMMIT =
  'git add -A && { git diff --cached --quiet ||' +
  ' git -c user.name=scripted -c user.email=scripted@localhost commit --quiet --message="$1"; }';
/** Bytes of a tool's output told in its end event. */
const MAX_TOOL_OUTPUT = 4096;

/** Plays step `number` (from 1); returns how the play ends here, or null to go on. Throws what the step ran into. */
export async function playStep(step: Step, number: number, stage: Stage): Promise<Ending | null> {
  switch (step.kind) {
    case 'print':
      stage.print(1, step.text);
      return null;
    case 'printErr':
      stage.print(2, step.text);
      return null;
    case 'sleepMs':
      await delay(step.ms);
      return null;
    case 'busyMs':
      burn(step.ms);
      return null;
    case 'write':
    case 'append':
      put(step.path, step.kind, step.content);
      return null;
    case 'tool':
      return runTool({ name: nameOf(step.work), work: step.work, newSession: step.newSession, number }, stage);
    case 'commit': {
      const work = { argv: ['sh', '-c', COMMIT, 'commit', step.message] };
      return runTool({ name: 'commit', work, newSession: true, number }, stage);
    }
    case 'daemonise':
      await daemonise(step.work);
      return null;
    case 'progress':
    case 'retry': {
      const { kind, ...fields } = step;
      stage.emit(kind, fields);
      return null;
    }
    case 'ignoreSigterm':
      process.on('SIGTERM', () => undefined);
      return null;
    case 'fail':
      return { code: 1, final: { ok: false, reason: step.message, ...(step.api ? { cause: 'api' } : {}) } };
    case 'exit':
      return { code: step.code, final: { ok: step.code === 0, reason: `exit ${step.code}` } };
    case 'block':
      if (stage.blocked === null) throw new Error('nobody asked whether it is blocked');
      writeFileSync(stage.blocked, step.reason);
      return null;
    case 'verdict':
      leaveVerdict(stage.review, step.fields);
      return null;
    case 'vanish':
      return { code: step.code, final: null };
  }
}

/** Uses the CPU for so many milliseconds and says nothing: busy is not idle. */
function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Opens a file below the current directory, making its directories; throws when a symbolic link is in the way. */
export function openInside(path: string, how: 'write' | 'append'): number {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  let directory = process.cwd();
  for (const part of parts) {
    directory = join(directory, part);
    try {
      if (!lstatSync(directory).isDirectory()) throw new Error(`${part} in "${path}" is not a directory`);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      mkdirSync(directory);
    }
  }
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_APPEND, O_TRUNC } = constants;
  return openSync(
    join(directory, name),
    O_WRONLY | O_CREAT | O_NOFOLLOW | (how === 'append' ? O_APPEND : O_TRUNC),
    0o666,
  );
}

function put(path: string, how: 'write' | 'append', content: string): void {
  const fd = openInside(path, how);
  try {
    writeFileSync(fd, content);
  } finally {
    closeSync(fd);
  }
}

function nameOf(work: Work): string {
  return 'argv' in work ? (work.argv[0] ?? '') : 'tick';
}

/** The command of a piece of work, and where its stdout goes when that is part of the work. */
function commandOf(work: Work): { argv: string[]; path: string | null } {
  if ('argv' in work) return { argv: work.argv, path: null };
  return { argv: ['sh', '-c', TICK, 'tick', String(work.times), String(work.tickMs / 1000)], path: work.path };
}

interface Tool {
  name: string;
  work: Work;
  newSession: boolean;
  number: number;
}

/** Runs a tool to its end, as a process that outlives the agent when that is killed: so do the tools of real engines. */
async function runTool(tool: Tool, stage: Stage): Promise<null> {
  const { argv, path } = commandOf(tool.work);
  const id = `tool-${tool.number}`;
  // Into a file, not a pipe to us: it must not die of our death, and its text must not pass for our events.
  const output = join(stage.directory, `${stage.session}-${tool.number}.out`);
  const out = path === null ? openSync(output, 'w', 0o600) : openInside(path, 'append');
  const end = await new Promise<{ ok: boolean; code?: number | null; signal?: string | null; error?: string }>(
    (resolve) => {
      const child = spawn(argv[0] ?? '', argv.slice(1), { detached: tool.newSession, stdio: ['ignore', out, out] });
      child.on('error', (error) => resolve({ ok: false, error: error.message }));
      child.on('exit', (code, signal) => resolve({ ok: code === 0, code, signal }));
      stage.emit('tool-start', { id, name: tool.name, pid: child.pid ?? null, input: tool.work });
    },
  );
  closeSync(out);
  const said = path === null ? { output: readFileSync(output).subarray(-MAX_TOOL_OUTPUT).toString('utf8') } : {};
  stage.emit('tool-end', { id, ...end, ...said });
  return null;
}

/** Starts work that has left us: forked twice, in a new session, child of init, with our environment. */
async function daemonise(work: Work): Promise<void> {
  const { argv, path } = commandOf(work);
  const out = path === null ? 'ignore' : openInside(path, 'append');
  await new Promise<void>((resolve, reject) => {
    const child = spawn('sh', ['-c', '"$@" &', 'sh', ...argv], { detached: true, stdio: ['ignore', out, 'ignore'] });
    child.on('error', reject);
    child.on('exit', () => resolve());
  });
  if (typeof out === 'number') closeSync(out);
}

/** Answers what a reviewer was asked in the file it was given, with `fields` in place of the right ones. */
function leaveVerdict(asked: string | null, fields: Record<string, unknown>): void {
  if (asked === null) throw new Error('nobody asked for a verdict');
  const { file, job, epoch, candidate, nonce } = JSON.parse(asked) as Record<string, string>;
  const verdict = {
    v: 1,
    job,
    epoch,
    candidate,
    nonce,
    verdict: 'PASS',
    score: 90,
    summary: 'It is good.',
    findings: [],
  };
  writeFileSync(file ?? '', `${JSON.stringify({ ...verdict, ...fields })}\n`);
}
