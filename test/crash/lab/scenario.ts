/** What the lab does to a server while it breaks it. A new scenario is one small file and a line in `scenarios.ts`. */
import { cp, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSink, type Answering, type Sink } from '../../../src/callbacks/sink.fixture.ts';
import { sha256 } from '../../../src/kernel/hash.ts';
import { within } from '../../support/poll.ts';
import { testifying } from '../../support/testimony.ts';
import { copyHome, World, type JobView, type ServerProcess } from '../../support/world.ts';
import { promise, sayStarted } from './watched-world.ts';

/** One try of a scenario: a world, and what its client was told. */
export class Trial implements AsyncDisposable {
  readonly world: World;
  /** Jobs the client was told of, by the name it gave them. */
  readonly jobs = new Map<string, JobView>();
  /** Whatever else a scenario has to remember between its parts. */
  readonly notes = new Map<string, string>();
  /** Every answer its client got, oldest first. */
  readonly answers: { asked: string; status: number; code: string | null }[] = [];
  #sink: Sink | null = null;

  constructor(world: World) {
    this.world = world;
    const call = world.call.bind(world);
    world.call = async (request) => {
      const answer = await call(request);
      const { code } = (answer.body ?? {}) as { code?: string };
      this.answers.push({ asked: `${request.method} ${request.path}`, status: answer.status, code: code ?? null });
      return answer;
    };
  }

  /** Submits `sh -c script` under a key of its own, and remembers it under `name`. */
  async submit(name: string, script: string, extra: Record<string, unknown> = {}): Promise<JobView> {
    const { world } = this;
    const text = `WITNESS='${world.witness}'\n${testifying(`${sayStarted(world)}\n${script}`)}`;
    const body = { repository: 'demo', agent: 'exec', command: ['sh', '-c', text], ...extra };
    const headers = { 'idempotency-key': name };
    const answer = await world.call({ method: 'POST', path: '/v1/jobs', body, headers });
    if (answer.status !== 201 && answer.status !== 200) {
      throw new Error(`submit: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    const job = answer.body as JobView;
    this.jobs.set(name, job);
    world.acknowledged.set(job.id, body);
    const prompt = (extra as { prompt?: string }).prompt;
    promise(world, { job: job.id, ...(prompt === undefined ? {} : { promptSha256: sha256(prompt) }) });
    return job;
  }

  /** The job of this name, which has been accepted. */
  job(name: string): JobView {
    const job = this.jobs.get(name);
    if (job === undefined) throw new Error(`${name} was never accepted`);
    return job;
  }

  /** Opens a receiver outside the home, which lives as long as the trial; what it is sent is a promise. */
  async openSink(answer: Answering): Promise<Sink> {
    this.#sink ??= await openSink((request, response) => {
      promise(this.world, { told: { id: request.id, bodySha256: sha256(request.body) } });
      answer(request, response);
    });
    return this.#sink;
  }

  /** The receiver, which was opened before. */
  get sink(): Sink {
    if (this.#sink === null) throw new Error('no receiver was opened');
    return this.#sink;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.#sink?.[Symbol.asyncDispose]();
  }
}

export interface Scenario {
  name: string;
  /** Begins without a home, instead of with a copy of the template. */
  bare?: boolean;
  /** Configuration of its servers. */
  config?: Record<string, unknown>;
  /** What is done with a server that nothing happens to, before. It is killed afterwards. */
  prepare?: (trial: Trial) => Promise<void>;
  /** What clients do with the server that may die at any moment; whoever finds it dead gives up. */
  act: (trial: Trial) => Promise<void>;
  /** What must come true on the server after it, once nothing breaks any more. Nothing is submitted before it. */
  settle: (trial: Trial) => Promise<void>;
  /** What must hold besides the invariants, in the home no server holds any more. */
  check?: (trial: Trial) => Promise<void>;
}

/** The home every trial begins with a copy of: a repository is registered and mirrored in it. */
export interface Template extends AsyncDisposable {
  home: string;
  repository: string;
}

/** Makes the template, by a real server. */
export async function createTemplate(): Promise<Template> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-template-')));
  const [home, repository] = [join(root, 'home'), join(root, 'repository')];
  {
    await using world = await World.create();
    await cp(world.repository, repository, { recursive: true });
    await world.start();
    const answer = await world.api('POST', '/v1/repositories', { name: 'demo', source: repository });
    if (answer.status !== 201) throw new Error(`register: ${JSON.stringify(answer.body)}`);
    await world.awaitState((await world.submitShell('true')).id, 'completed');
    await world.kill();
    await copyHome(world.home.root, home);
    await rm(join(home, 'server.json'), { force: true });
  }
  return {
    home,
    repository,
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Returns a world in which the scenario may act; its preparation is done by a server that `start` started. */
export async function createTrial(
  template: Template,
  scenario: Scenario,
  start: (world: World) => Promise<unknown> = (world) => world.start(),
): Promise<Trial> {
  const world = await World.copy(template.home, template.repository);
  const trial = new Trial(world);
  if (scenario.bare === true) await rm(world.home.root, { recursive: true });
  if (scenario.config !== undefined) await world.configure(scenario.config);
  if (scenario.prepare === undefined) return trial;
  await start(world);
  await scenario.prepare(trial);
  await world.kill();
  return trial;
}

/** How long a call may go without an answer when the server was killed under it, milliseconds. */
const DYING_MS = 10_000;

/**
 * Lets clients work until they are done or the server is gone; returns whether it is gone. An error while it lives is
 * thrown.
 */
export async function actUntilDeath(server: ServerProcess, act: () => Promise<void>): Promise<boolean> {
  const isDead = (): boolean => server.child.exitCode !== null || server.child.signalCode !== null;
  try {
    await Promise.race([
      act(),
      // Whoever waits for something in vain finds out at once.
      server.ended.then(() => Promise.reject(new Error('the server is gone'))),
    ]);
    return isDead();
  } catch (error) {
    const dead = await within('the server to be gone', server.ended, DYING_MS).catch(() => null);
    if (dead === null) throw error;
    return true;
  }
}
