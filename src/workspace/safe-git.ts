/**
 * The workspace room owns git and the files of jobs: mirrors, workspaces, diffs, saved trees, disposal. Nobody else
 * runs git, and within the room only this file does. The room never touches the store, a keeper or an agent process,
 * and never runs anything that an agent's tree, its `.git`, or a registered repository's configuration names.
 *
 * What makes a git command safe here: the configuration comes from files of ours only (no system, global or agent's
 * file is read), every hook, monitor, pager and helper is switched off, only the transports the profile names exist,
 * and agents' trees are read through a repository of ours (`observe`), never through their own `.git`.
 * No further sandbox is put around it: these rules are what the canary tests hold, with and without bubblewrap.
 */
import { userInfo } from 'node:os';
import { fail, type HoldfastError } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { runChild, type ChildRequest } from './run-child.ts';

/** From where a git command may read what. */
export type GitProfile =
  /** A bare repository of ours; no transport at all. `gitDir` null is for commands that need no repository. */
  | { kind: 'local'; gitDir: string | null }
  /** A repository of ours laid over a tree whose content is not ours. */
  | { kind: 'observe'; gitDir: string; workTree: string; indexFile: string }
  /** https and ssh; `gitDir` is null for `ls-remote`. */
  | { kind: 'network'; gitDir: string | null }
  /**
   * A path the operator registered, or a mirror of ours. `configFile` names it as a safe.directory when it belongs to
   * someone else: upload-pack drops GIT_CONFIG_COUNT and `-c`, so only a file reaches it (see `writeSafeDirectory`).
   */
  | { kind: 'path'; gitDir: string; workTree?: string; configFile: string | null };

export interface GitRequest {
  profile: GitProfile;
  /** The command and its arguments; `--` before anything that comes from outside. */
  args: readonly string[];
  /** Settings of this one command, `key=value`. */
  config?: readonly string[];
  input?: string | Uint8Array | undefined;
  inputFile?: string | undefined;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds; default 2 min for local commands, 1 h for those that fetch. */
  timeoutMs?: number | undefined;
  /** Milliseconds without a word from git after which it is ended; for commands that report their progress. */
  idleMs?: number | undefined;
  /** Bytes of stdout kept, default 64 MiB. More is an error unless `allowTruncated`. */
  maxBytes?: number;
  allowTruncated?: boolean;
  /** Exit codes that are an answer, default only 0. */
  okCodes?: readonly number[];
}

export interface GitResult {
  code: number;
  stdout: Buffer;
  /** stdout as text without the final newline. */
  text: string;
  stderr: string;
  truncated: boolean;
}

const LOCAL_TIMEOUT_MS = 120_000;
const FETCH_TIMEOUT_MS = 3_600_000;
const MAX_BYTES = 64 * 2 ** 20;
const MESSAGE_CHARS = 2000;

/** What the operator grants to git; set once at start from the configuration. */
export interface GitSettings {
  /** Where git, ssh and coreutils are found. */
  path: string;
  /** Further variables of network commands (SSH_AUTH_SOCK, https_proxy); GIT_* is refused. */
  networkEnv: Record<string, string>;
  /** PEM file of certificate authorities for https, or null for the system's. */
  caFile: string | null;
}

let settings: GitSettings = { path: '/usr/local/bin:/usr/bin:/bin', networkEnv: {}, caFile: null };

/** Replaces the named settings for every later command. Throws `bad-config` on a GIT_* variable. */
export function configureGit(change: Partial<GitSettings>): void {
  const forbidden = Object.keys(change.networkEnv ?? {}).find((name) => name.startsWith('GIT_'));
  if (forbidden !== undefined) throw fail('bad-config', `${forbidden} may not be set for git`);
  settings = { ...settings, ...change };
}

/** The complete environment of the room's other helper programs (`rm`, `sync`). */
export function plainEnvironment(): Record<string, string> {
  return { PATH: settings.path, LC_ALL: 'C' };
}

/** Applied to every command; later ones win, so a command's own `config` comes after them. */
const SETTINGS = [
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.untrackedCache=false',
  'core.symlinks=true',
  'core.pager=cat',
  'core.askPass=',
  'core.fsync=all',
  'core.fsyncMethod=fsync',
  'credential.helper=',
  'safe.bareRepository=explicit',
  'protocol.allow=never',
  'protocol.file.allow=never',
  'protocol.ext.allow=never',
  'diff.ignoreSubmodules=all',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'commit.gpgSign=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.addEmbeddedRepo=false',
  'transfer.unpackLimit=1',
  'http.lowSpeedLimit=1000',
  'http.lowSpeedTime=60',
  // It asks nobody, and does not wait for ever for a host that says nothing.
  'core.sshCommand=ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15',
];

const ALLOWED_TRANSPORTS = { local: 'none', observe: 'none', network: 'https:ssh', path: 'file' } as const;

function environmentOf(profile: GitProfile): Record<string, string> {
  const env: Record<string, string> = {
    ...plainEnvironment(),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_ALLOW_PROTOCOL: ALLOWED_TRANSPORTS[profile.kind],
  };
  // A directory that is no repository keeps git from discovering one above its working directory.
  env['GIT_DIR'] = profile.gitDir ?? '/dev/null';
  if ('workTree' in profile && profile.workTree !== undefined) env['GIT_WORK_TREE'] = profile.workTree;
  if (profile.kind === 'observe') env['GIT_INDEX_FILE'] = profile.indexFile;
  if (profile.kind === 'path' && profile.configFile !== null) env['GIT_CONFIG_GLOBAL'] = profile.configFile;
  // HOME from the password file: ssh and .netrc keep the operator's own credentials there.
  if (profile.kind === 'network') Object.assign(env, { HOME: userInfo().homedir }, settings.networkEnv);
  return env;
}

function argvOf(request: GitRequest): string[] {
  const config = [...SETTINGS, ...(request.config ?? [])];
  if (request.profile.kind === 'network' && settings.caFile !== null) config.push(`http.sslCAInfo=${settings.caFile}`);
  return ['git', ...config.flatMap((entry) => ['-c', entry]), ...request.args];
}

/**
 * Runs one git command under a profile and returns its output. Throws `git-failed` with the end of git's own message,
 * `git-timeout`, `storage-full` when git ran out of space, or the reason of an abort.
 */
export async function safeGit(request: GitRequest): Promise<GitResult> {
  const { profile } = request;
  const fetches = profile.kind === 'network' || profile.kind === 'path';
  const env = environmentOf(profile);
  if (request.args[0] === 'init') delete env['GIT_DIR'];
  const child: ChildRequest = {
    argv: argvOf(request),
    cwd: profile.kind === 'observe' ? profile.workTree : '/',
    env,
    timeoutMs: request.timeoutMs ?? (fetches ? FETCH_TIMEOUT_MS : LOCAL_TIMEOUT_MS),
    idleMs: request.idleMs,
    maxBytes: request.maxBytes ?? MAX_BYTES,
    input: request.input,
    inputFile: request.inputFile,
    signal: request.signal,
    op: request.op,
  };
  const what = `git ${request.args[0] ?? ''}`;
  const result = await runChild(child).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT')
      throw fail('git-failed', `${what}: git or the directory ${child.cwd} is missing`, { cause: error });
    throw error;
  });
  if (result.timedOut) throw fail('git-timeout', `${what} took longer than ${child.timeoutMs} ms`);
  if (result.stalled) throw fail('git-timeout', `${what} made no progress for ${child.idleMs} ms`);
  if (result.truncated && request.allowTruncated !== true)
    throw fail('git-failed', `${what} printed more than ${child.maxBytes} bytes`);
  const code = result.code ?? -1;
  if (!result.truncated && !(request.okCodes ?? [0]).includes(code)) {
    throw gitFailure(`${what} (${result.signal ?? `exit ${code}`})`, result.stderr);
  }
  const text = result.stdout.toString('utf8').replace(/\n$/, '');
  return { code, stdout: result.stdout, text, stderr: result.stderr, truncated: result.truncated };
}

/** Returns the error for a git command that failed with this on stderr: `git-failed`, or `storage-full`. */
export function gitFailure(what: string, stderr: string): HoldfastError {
  const message = withoutProgress(stderr).trim().slice(-MESSAGE_CHARS);
  const full = /No space left on device|Out of diskspace|Disk quota exceeded/.test(message);
  return fail(full ? 'storage-full' : 'git-failed', `${what}: ${message === '' ? 'no message' : message}`);
}

/** Drops the lines in which git tells how far it is. */
function withoutProgress(stderr: string): string {
  const isProgress = (line: string): boolean => /^(remote: )?[A-Z][A-Za-z ]+: +(\d+%|\d+, done)/.test(line);
  return stderr
    .split(/[\r\n]+/)
    .filter((line) => !isProgress(line))
    .join('\n');
}

/** Returns a value as it is written in a git configuration file. Throws `source-refused` on a line break. */
export function quoteConfig(value: string): string {
  if (/[\n\r\0]/.test(value)) throw fail('source-refused', 'it contains control characters');
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Returns the configuration file text that lets git read exactly these directories of another owner. */
export function safeDirectoryConfig(paths: readonly string[]): string {
  return `[safe]\n${paths.map((path) => `\tdirectory = ${quoteConfig(path)}\n`).join('')}`;
}

/** Returns the object format of a full object id; throws `internal` when it is none. */
export function objectFormatOf(oid: string): 'sha1' | 'sha256' {
  if (!/^[0-9a-f]+$/.test(oid) || (oid.length !== 40 && oid.length !== 64))
    throw fail('internal', `${oid} is no object`);
  return oid.length === 40 ? 'sha1' : 'sha256';
}

/** Returns the version of the git that is used, like `2.39.5`. */
export async function gitVersion(): Promise<string> {
  const { text } = await safeGit({ profile: { kind: 'local', gitDir: null }, args: ['version'] });
  return text.replace(/^git version /, '');
}
