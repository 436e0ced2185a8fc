/**
 * One home with real servers, real keepers and real agents, and a place outside the home where agents leave their own
 * testimony. Everything started in a world is ended with it, by identity.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureProgram } from '../../scripts/build-program.ts';
import { endProcesses, scanProcesses } from '../../src/keeper/processes.ts';
import { isAlive, readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import type { AttemptView } from '../../src/api/contract/attempt.ts';
import { messageOf } from '../../src/kernel/result.ts';
import { homeLayout, type Home } from '../../src/lifecycle/home.ts';
import type { RecoveryReport } from '../../src/lifecycle/report.ts';
import { readServerFile, type ServerInfo } from '../../src/server/server-file.ts';
import { describeAttempts } from './describe-attempts.ts';
import { until, within } from './poll.ts';
import { createRepository } from './repository.ts';
import { findMentioning, listAttempts, type KnownAttempt } from './world-processes.ts';

const CLI = await ensureProgram();
/** Kept between runs: starting servers is most of what crash tests do. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/holdfast', import.meta.url));

/** Like fetch, whose own error says only that it failed: why is in its cause. */
function send(url: string, init: RequestInit): Promise<Response> {
  return fetch(url, init).catch((error: Error) => {
    throw new Error(`${init.method} ${url}: ${messageOf(error.cause ?? error)}`, { cause: error });
  });
}

export interface StartOptions {
  /** HOLDFAST_FAILPOINTS of the server and its keepers. */
  failpoints?: string;
  /** Added to `serve`. */
  args?: string[];
  env?: Record<string, string>;
  /** False returns as soon as the process exists. */
  waitReady?: boolean;
  /** Returns what to start instead of this argv: something that becomes it by exec, so that the pid stays the same. */
  wrap?: (argv: string[]) => string[];
}

/** A server process of a world. */
export interface ServerProcess {
  child: ChildProcess;
  identity: ProcessIdentity;
  /** Resolves with how it ended. */
  ended: Promise<{ code: number | null; signal: string | null }>;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed JSON, or the text. */
  body: unknown;
}

/** A job as the API shows it, as far as tests need it. */
export interface JobView {
  id: string;
  number: number;
  state: string;
  stage: string;
  outcome: string | null;
  reason: string | null;
  blocker: string | null;
  attempts: number;
  exitCode: number | null;
  outputBytes: number;
  outputFile: string | null;
  queueSeq: number | null;
  queuePosition: number | null;
  phase: string | null;
  waitingFor: { what: string; why: string }[];
  nextSafeAction: string;
  workspace: string | null;
  sessionId: string | null;
}

export class World implements AsyncDisposable {
  readonly root: string;
  readonly home: Home;
  /** Path of a repository with one commit, registered as `demo` by `register`. */
  readonly repository: string;
  /** Agents write here what they did; nothing of Holdfast touches it. */
  readonly witness: string;
  /** stdout and stderr of every server of this world. */
  readonly log: string;
  /** Bodies of the submissions that were answered with 201, by the id in the answer: promises to be kept. */
  readonly acknowledged = new Map<string, Record<string, unknown>>();
  /** Jobs whose removal somebody asked for: they may be gone, with what the store knew of them. */
  readonly removing = new Set<string>();
  server: ServerProcess | null = null;
  private readonly started: ServerProcess[] = [];

  private constructor(root: string, repository = join(root, 'repository')) {
    this.root = root;
    this.home = homeLayout(join(root, 'home'));
    this.repository = repository;
    this.witness = join(root, 'witness');
    this.log = join(root, 'server.log');
  }

  static async create(): Promise<World> {
    const world = new World(await realpath(await mkdtemp(join(tmpdir(), 'holdfast-world-'))));
    await mkdir(world.witness);
    await createRepository(world.repository);
    return world;
  }

  /** A world that begins with a copy of `home`, in which `repository`, shared with others, may be registered. */
  static async copy(home: string, repository: string): Promise<World> {
    const world = new World(await realpath(await mkdtemp(join(tmpdir(), 'holdfast-world-'))), repository);
    await mkdir(world.witness);
    await copyHome(home, world.home.root);
    return world;
  }

  /** Writes the configuration the next server reads. */
  async configure(config: Record<string, unknown>): Promise<void> {
    await mkdir(this.home.root, { recursive: true, mode: 0o700 });
    await writeFile(this.home.configFile, JSON.stringify(config));
  }

  /** argv of a command of this checkout. */
  command(...words: string[]): [string, ...string[]] {
    return [process.execPath, CLI, ...words];
  }

  /** argv of a server of this world, without a port. */
  serveCommand(): string[] {
    return this.command('serve', '--home', this.home.root);
  }

  /** Starts a server on a free port and waits until it is ready, unless told otherwise. */
  async start(options: StartOptions = {}): Promise<ServerProcess> {
    const log = openSync(this.log, 'a');
    appendFileSync(log, `--- start ${options.failpoints ?? ''}\n`);
    const argv = [...this.serveCommand(), '--port', '0', ...(options.args ?? [])];
    const [program = '', ...words] = options.wrap === undefined ? argv : options.wrap(argv);
    const child = spawn(program, words, {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.root,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        ...passOn('HOLDFAST_TEST_RUN', 'NODE_COMPILE_CACHE'),
        ...(options.failpoints === undefined ? {} : { HOLDFAST_FAILPOINTS: options.failpoints }),
        ...options.env,
      },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const stat = readProcess(child.pid ?? 0);
    if (stat === null) throw new Error(`the server could not be started: ${await this.readLog()}`);
    const server = { child, identity: { pid: stat.pid, start: stat.start }, ended };
    this.started.push(server);
    this.server = server;
    if (options.waitReady !== false) await this.awaitReady(server);
    return server;
  }

  /** Waits until this server answers as ready; throws with its log when it ends first. */
  async awaitReady(server: ServerProcess): Promise<ServerInfo> {
    return until('the server is ready', async () => {
      if (server.child.exitCode !== null || server.child.signalCode !== null) {
        throw new Error(`the server ended while starting: ${await this.readLog()}`);
      }
      const info = await readServerFile(this.home.serverFile);
      if (info === null || info.pid !== server.identity.pid) return null;
      const answer = await fetch(`${info.url}/readyz`).catch(() => null);
      await answer?.arrayBuffer();
      return answer?.status === 200 ? info : null;
    });
  }

  /** SIGKILLs the server and waits until it is gone. */
  async kill(server = this.server): Promise<void> {
    if (server === null) return;
    server.child.kill('SIGKILL');
    await server.ended;
  }

  /** Waits until the server has ended by itself (a failpoint). */
  async awaitEnd(server = this.server): Promise<{ code: number | null; signal: string | null }> {
    if (server === null) throw new Error('no server was started');
    return within('the server to end', server.ended).catch(async (error: unknown) => {
      throw new Error(`${String(error)}: ${await this.readLog()}`);
    });
  }

  /** What the newest server says of itself. */
  async readServer(): Promise<ServerInfo> {
    const info = await readServerFile(this.home.serverFile);
    if (info === null) throw new Error('there is no server.json');
    return info;
  }

  /** One call of the API with the home's token. Throws when no server answers. */
  async api(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.call({ method, path, body });
  }

  /** Like `api`, with headers of the caller's own. */
  async call(request: {
    method: string;
    path: string;
    body?: unknown;
    headers?: Record<string, string>;
  }): Promise<Answer> {
    const { method, path, body, headers } = request;
    const removing = method === 'DELETE' ? /^\/v1\/jobs\/(job_\w+)$/.exec(path)?.[1] : undefined;
    if (removing !== undefined) this.removing.add(removing);
    const info = await this.readServer();
    const token = (await readFile(this.home.tokenFile, 'utf8')).trim();
    const answer = await send(info.url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = /json/.test(answer.headers.get('content-type') ?? '');
    const parsed: unknown = isJson ? JSON.parse(text) : text;
    if (method === 'POST' && path === '/v1/jobs' && answer.status === 201) {
      this.acknowledged.set((parsed as JobView).id, body as Record<string, unknown>);
    }
    if (removing !== undefined && answer.status === 204) this.acknowledged.delete(removing);
    return { status: answer.status, headers: answer.headers, body: parsed };
  }

  /** Sends a file for a held job. Throws when no server answers. */
  async upload(id: string, name: string, content: Uint8Array): Promise<Answer> {
    const info = await this.readServer();
    const token = (await readFile(this.home.tokenFile, 'utf8')).trim();
    const answer = await send(`${info.url}/v1/jobs/${id}/files/${encodeURIComponent(name)}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
      body: Buffer.from(content),
    });
    return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) as unknown };
  }

  /** Registers the world's repository as `demo`. */
  async register(extra: Record<string, unknown> = {}): Promise<void> {
    const answer = await this.api('POST', '/v1/repositories', { name: 'demo', source: this.repository, ...extra });
    if (answer.status !== 201) throw new Error(`register: ${JSON.stringify(answer.body)}`);
  }

  /** Makes another repository and registers it under `name`; returns its path. */
  async registerAnother(name: string, extra: Record<string, unknown> = {}): Promise<string> {
    const source = await createRepository(join(this.root, `source-${name}`), { [`${name}.md`]: `# ${name}\n` });
    const answer = await this.api('POST', '/v1/repositories', { name, source, ...extra });
    if (answer.status !== 201) throw new Error(`register ${name}: ${JSON.stringify(answer.body)}`);
    return source;
  }

  /** Submits a job on `demo` and returns it; throws unless it was accepted. */
  async submit(body: Record<string, unknown>): Promise<JobView> {
    const answer = await this.api('POST', '/v1/jobs', { repository: 'demo', ...body });
    if (answer.status !== 201) throw new Error(`submit: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as JobView;
  }

  /** Submits a shell script of agent `exec`. `$WITNESS` is the world's witness directory. */
  async submitShell(script: string, extra: Record<string, unknown> = {}): Promise<JobView> {
    return this.submit({ agent: 'exec', command: ['sh', '-c', `WITNESS='${this.witness}'\n${script}`], ...extra });
  }

  async getJob(id: string): Promise<JobView> {
    const answer = await this.api('GET', `/v1/jobs/${id}`);
    if (answer.status !== 200) throw new Error(`get ${id}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as JobView;
  }

  /** Attempts of a job, oldest first. */
  async getAttempts(id: string): Promise<AttemptView[]> {
    const answer = await this.api('GET', `/v1/jobs/${id}/attempts`);
    if (answer.status !== 200) throw new Error(`attempts of ${id}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return (answer.body as { items: AttemptView[] }).items;
  }

  /** What this start found. */
  async readReport(): Promise<RecoveryReport> {
    const answer = await this.api('GET', '/v1/recovery/boots/latest');
    if (answer.status !== 200) throw new Error(`report: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as RecoveryReport;
  }

  /** Waits until the job is in one of these states. */
  async awaitState(id: string, ...states: string[]): Promise<JobView> {
    let last = '';
    try {
      return await until(`job ${id} is ${states.join(' or ')}`, async () => {
        const job = await this.getJob(id);
        last = `${job.state} ${job.reason ?? ''} ${job.blocker ?? ''}`;
        return states.includes(job.state) ? job : null;
      });
    } catch (error) {
      const found = await describeAttempts(this.home, id);
      throw new Error(`${String(error)}; it is ${last}\n${found}\n${await this.readLog()}`, { cause: error });
    }
  }

  /** The bytes the API gives for the output of a job. */
  async readOutput(id: string, query = ''): Promise<string> {
    const answer = await this.api('GET', `/v1/jobs/${id}/output${query}`);
    if (answer.status !== 200) throw new Error(`output of ${id}: ${answer.status}`);
    return String(answer.body);
  }

  /** Lines of a witness file, [] while it does not exist. */
  async readWitness(name: string): Promise<string[]> {
    const text = await readFile(join(this.witness, name), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  async readLog(): Promise<string> {
    return readFile(this.log, 'utf8').catch(() => '');
  }

  /** Every attempt of this world that has a run directory. */
  async listAttempts(): Promise<KnownAttempt[]> {
    return listAttempts(this.home);
  }

  /** Living processes that belong to this world's attempts: agents, tools, keepers. */
  async listProcesses(): Promise<ProcessIdentity[]> {
    const scan = scanProcesses();
    const attempts = await listAttempts(this.home);
    const agents = attempts.flatMap((one) => scan.attempts.get(one.id) ?? []);
    const keepers = attempts.flatMap((one) => (one.keeper === null ? [] : [one.keeper]));
    return [...agents, ...keepers].filter((one) => isAlive(one));
  }

  /** Living keepers of this world. */
  async listKeepers(): Promise<ProcessIdentity[]> {
    const attempts = await listAttempts(this.home);
    return attempts.flatMap((one) => (one.keeper !== null && isAlive(one.keeper) ? [one.keeper] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.started) {
      if (!isAlive(server.identity)) continue;
      server.child.kill('SIGKILL');
      await server.ended;
    }
    await endProcesses(() => findMentioning(this.root));
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Copies a home no server holds: everything but the sockets of its keepers. */
export async function copyHome(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, filter: (path) => !path.endsWith('.sock') });
}

function passOn(...names: string[]): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}
