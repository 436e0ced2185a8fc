import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { open } from 'node:fs/promises';

/** What to run. `env` is the child's complete environment; nothing of ours is passed on. */
export interface ChildRequest {
  argv: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** After this many milliseconds the child is asked to end (SIGTERM), 2 s later killed. */
  timeoutMs: number;
  /** Likewise after this long without a byte on stdout or stderr. */
  idleMs?: number | undefined;
  /** Bytes of stdout that are kept; the child is ended when it prints more. */
  maxBytes: number;
  /** Bytes for its stdin. Without this and `inputFile` stdin is empty. */
  input?: string | Uint8Array | undefined;
  /** Path of a file to be its stdin, so that large data never passes through this process. */
  inputFile?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Intent this child works for, put into its environment as HOLDFAST_OP: recovery finds and ends leftovers by it. */
  op?: string | undefined;
}

/** How the child ended. Exactly one of `code` and `signal` is set. */
export interface ChildResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  /** The last 64 KiB of stderr. */
  stderr: string;
  timedOut: boolean;
  /** It was ended for its silence. */
  stalled: boolean;
  /** It printed more than `maxBytes` and was ended; `stdout` holds the first `maxBytes`. */
  truncated: boolean;
}

const STDERR_BYTES = 64 * 1024;
/** From SIGTERM to SIGKILL: git removes its lock and temp files on SIGTERM. */
const GRACE_MS = 2000;
/** From the child's end to giving up on whoever inherited its pipes. */
const DRAIN_MS = 2000;

let ownHost: { HOLDFAST_HOST?: string } = {};

/** Says which home children are of that carry an operation: another home may have operations of the same name. */
export function markChildren(host: string): void {
  ownHost = { HOLDFAST_HOST: host };
}

/**
 * Runs a program without a shell, in its own session and process group, and returns how it ended; a non-zero exit is
 * a result, not an error. Throws the signal's reason when aborted, and the spawn error when it cannot be started.
 * Of its group, whatever outlives it although it was asked to end keeps HOLDFAST_OP and is found by that.
 */
export async function runChild(request: ChildRequest): Promise<ChildResult> {
  request.signal?.throwIfAborted();
  const [command, ...args] = request.argv;
  if (command === undefined) throw new Error('an empty argv cannot be run');
  const file = request.inputFile === undefined ? null : await open(request.inputFile, 'r');
  try {
    const child = spawn(command, args, {
      cwd: request.cwd,
      env: request.op === undefined ? { ...request.env } : { ...request.env, ...ownHost, HOLDFAST_OP: request.op },
      stdio: [file === null ? 'pipe' : file.fd, 'pipe', 'pipe'],
      detached: true,
      shell: false,
    });
    return await collect(child, request);
  } finally {
    await file?.close();
  }
}

function collect(child: ChildProcess, request: ChildRequest): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    let outBytes = 0;
    let stderr = Buffer.alloc(0);
    let timedOut = false;
    let truncated = false;
    const timers = new Set<NodeJS.Timeout>();
    const after = (ms: number, act: () => void): void => void timers.add(setTimeout(act, ms));
    const end = (): void => {
      signalGroup(child, 'TERM');
      after(GRACE_MS, () => signalGroup(child, 'KILL'));
    };
    const settle = (act: () => void): void => {
      for (const timer of timers) clearTimeout(timer);
      silence.stop();
      request.signal?.removeEventListener('abort', end);
      act();
    };
    after(request.timeoutMs, () => {
      timedOut = true;
      end();
    });
    const silence = watchSilence(child, request.idleMs ?? null, end);
    request.signal?.addEventListener('abort', end, { once: true });
    child.stdout?.on('data', (chunk: Buffer) => {
      const room = request.maxBytes - outBytes;
      if (room > 0) out.push(chunk.subarray(0, room));
      outBytes += Math.min(room, chunk.length);
      if (chunk.length <= room || truncated) return;
      truncated = true;
      end();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_BYTES);
    });
    feed(child, request.input ?? '');
    child.on('error', (error) => settle(() => reject(error)));
    child.on('exit', () => after(DRAIN_MS, () => dropPipes(child)));
    child.on('close', (code, signal) =>
      settle(() => {
        if (request.signal?.aborted === true) reject(request.signal.reason as Error);
        else {
          const text = stderr.toString('utf8');
          resolve({
            code,
            signal,
            stdout: Buffer.concat(out),
            stderr: text,
            timedOut,
            stalled: silence.isBroken(),
            truncated,
          });
        }
      }),
    );
  });
}

function dropPipes(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function feed(child: ChildProcess, input: string | Uint8Array): void {
  // A child that ends without reading its input gives EPIPE here; its exit code tells the story.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
}

/** Calls `onSilence` once the child has printed nothing for `idleMs` milliseconds; never when that is null. */
function watchSilence(
  child: ChildProcess,
  idleMs: number | null,
  onSilence: () => void,
): { isBroken: () => boolean; stop: () => void } {
  let isBroken = false;
  if (idleMs === null) return { isBroken: () => false, stop: () => undefined };
  const timer = setTimeout(() => {
    isBroken = true;
    onSilence();
  }, idleMs);
  const heard = (): void => void (isBroken || timer.refresh());
  child.stdout?.on('data', heard);
  child.stderr?.on('data', heard);
  return { isBroken: () => isBroken, stop: () => clearTimeout(timer) };
}

/**
 * Signals the child and everything in its group (git does not pass SIGTERM on to ssh). The group is certainly the
 * child's: as long as this process has not reaped it, its number cannot be given to another one, and reaping waits for
 * the event loop, which does not turn during this call.
 */
function signalGroup(child: ChildProcess, signal: 'TERM' | 'KILL'): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const script = `kill -s ${signal} -- -${child.pid}`;
  const { status } = spawnSync('/bin/sh', ['-c', script], { env: {}, stdio: 'ignore' });
  if (status !== 0) child.kill(`SIG${signal}`);
}
