/**
 * The environment an agent is given: an allowlist of the server's own, the variables of its job, and what the operator
 * declared. The only place in the server that reads process.env for somebody else.
 */
import { ATTEMPT_VARIABLE, HOST_VARIABLE } from './protocol.ts';

/**
 * Passed on when set. Locale, time zone and account name, because tools misbehave without them; TMPDIR, because it may
 * be the only writable place. Proxy settings are passed on too: on a network without a direct way out an agent reaches
 * its model only through them, and they are the operator's own. A proxy URL that holds a password is not: agents print
 * their environment. NODE_OPTIONS, LD_PRELOAD, SSH_AUTH_SOCK, GIT_* and every credential stay out by not being listed.
 */
const PASSED = ['PATH', 'LANG', 'LANGUAGE', 'TZ', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR'];
const PROXIES = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
];
const LOCALE = /^LC_[A-Z]+$/;
const FALLBACK_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Returns the complete environment of an agent. `extra` (the adapter's and the operator's) wins over the allowlist; the
 * job's own variables win over everything.
 */
export function buildAgentEnvironment(what: {
  source?: NodeJS.ProcessEnv;
  job: string;
  attempt: string;
  url: string;
  /** Lets the agent call this server about its own job; null for what is no agent. */
  token: string | null;
  /** Random id of the home. */
  host?: string;
  /** Certificate of the server at `url`; null when that is plain HTTP. */
  caFile?: string | null;
  home: string;
  extra: Record<string, string>;
}): Record<string, string> {
  const source = what.source ?? process.env;
  return {
    TERM: 'dumb',
    PATH: FALLBACK_PATH,
    ...pickAllowed(source),
    HOME: what.home,
    ...what.extra,
    HOLDFAST_JOB: what.job,
    [ATTEMPT_VARIABLE]: what.attempt,
    HOLDFAST_URL: what.url,
    ...(what.token === null ? {} : { HOLDFAST_TOKEN: what.token }),
    ...(what.host === undefined ? {} : { [HOST_VARIABLE]: what.host }),
    ...(typeof what.caFile === 'string' ? { HOLDFAST_CA_FILE: what.caFile } : {}),
  };
}

function pickAllowed(source: NodeJS.ProcessEnv): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const [name, value] of Object.entries(source)) {
    if (value === undefined || value === '') continue;
    const isProxy = PROXIES.includes(name) && !value.includes('@');
    if (PASSED.includes(name) || LOCALE.test(name) || isProxy) picked[name] = value;
  }
  return picked;
}

/** What launching a keeper needs of the server's environment. */
export interface LaunchEnvironment {
  path: string;
  /** Of this process: only root may ask the system's manager for a unit. */
  uid: number;
  /** Set by systemd for every service it starts. */
  invocationId: string | null;
  /** Where `systemd-run --user` finds its manager. */
  runtimeDirectory: string | null;
  busAddress: string | null;
}

/** Returns the parts of the server's environment that decide how a keeper is launched. */
export function readLaunchEnvironment(source: NodeJS.ProcessEnv = process.env): LaunchEnvironment {
  return {
    path: source['PATH'] ?? FALLBACK_PATH,
    uid: process.getuid?.() ?? -1,
    invocationId: source['INVOCATION_ID'] ?? null,
    runtimeDirectory: source['XDG_RUNTIME_DIR'] ?? null,
    busAddress: source['DBUS_SESSION_BUS_ADDRESS'] ?? null,
  };
}

/** Network variables git gets for a remote: the operator's agent for ssh keys, and the way out. */
const GIT_NETWORK = ['SSH_AUTH_SOCK', ...PROXIES];

/** Returns where the server's git is found and what its network commands may see of the server's environment. */
export function readGitEnvironment(source: NodeJS.ProcessEnv = process.env): {
  path: string;
  networkEnv: Record<string, string>;
} {
  const networkEnv: Record<string, string> = {};
  for (const name of GIT_NETWORK) {
    const value = source[name];
    if (value !== undefined && value !== '') networkEnv[name] = value;
  }
  return { path: source['PATH'] ?? FALLBACK_PATH, networkEnv };
}

/** What a container engine's command needs to find its engine and its settings. */
const ENGINE = [
  'HOME',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'DOCKER_CERT_PATH',
  'DOCKER_TLS_VERIFY',
].concat(['CONTAINER_HOST', 'CONTAINER_CONNECTION', 'XDG_RUNTIME_DIR']);

/** Returns the environment of a container engine's command: where it is found, and its own variables. */
export function readEngineEnvironment(source: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const picked: Record<string, string> = { PATH: source['PATH'] ?? FALLBACK_PATH };
  for (const name of ENGINE) {
    const value = source[name];
    if (value !== undefined && value !== '') picked[name] = value;
  }
  return picked;
}

/** Returns what the keeper program reads of its own environment: the failpoints a test armed. */
export function readKeeperEnvironment(source: NodeJS.ProcessEnv = process.env): { failpoints: string | undefined } {
  return { failpoints: source['HOLDFAST_FAILPOINTS'] };
}
