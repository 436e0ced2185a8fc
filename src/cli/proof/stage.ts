/**
 * What a proof is played on: a temporary home with a server of its own, a small repository, and a folder only the scripted
 * agents and gates write to. Nothing here needs a network or credentials.
 */
import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptView, EvidenceView, GateView, JobView, PageView } from '../../api/contract.ts';
import { delay } from '../../kernel/backoff.ts';
import { systemClock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/hash.ts';
import { errnoOf } from '../../kernel/result.ts';
import { createDemoRepository } from '../../server/demo-repository.ts';
import { endAttemptsOfHome, findServerProcess, killServer, stopServer } from '../../server/control.ts';
import { startDetachedServer } from '../../server/detach.ts';
import { findServer } from '../address.ts';
import { Client } from '../client.ts';
import type { Shell } from '../shell.ts';
import type { Case } from './cases.ts';

/** How long a job may take before the proof says that it hangs, milliseconds. */
const PATIENCE_MS = 120_000;
const POLL_MS = 25;
/** How long a killed server may take to be gone, milliseconds. */
const DEATH_MS = 10_000;

/** States in which nothing goes on by itself. */
const RESTING: readonly JobView['state'][] = [
  'ready',
  'completed',
  'blocked',
  'quarantined',
  'failed',
  'cancelled',
  'timed_out',
];

/** What a case came to, as far as two plays of it must agree. */
export interface Result {
  state: JobView['state'];
  outcome: string | null;
  reason: string | null;
  stage: string;
  /** Epoch, stage, gate and result of each line of the ledger. */
  ledger: string[];
  /** Stages of the attempts that ended with a result, in their order. */
  finished: string[];
  /** Content of the file the work is about, on the base branch of the source. */
  merged: string | null;
  /** How often the base branch was moved. */
  moves: number;
}

/** What was seen beside it, which may differ between two plays. */
export interface Seen {
  result: Result;
  /** Starts of each attempt, counted by the agents and gates themselves. */
  starts: Map<string, number>;
  /** Attempts the server knows. */
  attempts: AttemptView[];
  /** Evidence whose file is not what its name says. */
  wrongEvidence: string[];
  /** Times a server was killed on the way. */
  kills: number;
}

export class Stage implements AsyncDisposable {
  readonly root: string;
  readonly home: string;
  readonly repository: string;
  readonly #shell: Shell;
  /** Words before the command of a server. */
  readonly #wrap: readonly string[];
  readonly #client: Client;
  #kills = 0;

  private constructor(root: string, shell: Shell, wrap: readonly string[]) {
    this.root = root;
    this.#wrap = wrap;
    this.home = join(root, 'home');
    this.repository = join(root, 'repository');
    this.#shell = shell;
    this.#client = new Client({
      find: () => findServer({ home: this.home, url: null, token: null, certificateFile: null }),
      notice: () => undefined,
      interrupted: shell.interrupted,
    });
  }

  /** Makes the folders and the repository; starts nothing yet. */
  static async create(shell: Shell, wrap: readonly string[] = []): Promise<Stage> {
    const root = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-proof-')));
    const stage = new Stage(root, shell, wrap);
    try {
      await mkdir(stage.home, { mode: 0o700 });
      await createDemoRepository(stage.repository, shell.env['PATH']);
      return stage;
    } catch (error) {
      await rm(root, { recursive: true, force: true });
      throw error;
    }
  }

  /** Plays a case; with `failpoints` the server dies where they say, and another one goes on. */
  async play(played: Case, failpoints: string | null): Promise<Seen> {
    await this.#startServer(failpoints);
    const job = await this.#submit(played);
    const end = await this.#awaitRest(job, failpoints !== null);
    return this.#look(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopServer(this.home).catch(() => killServer(this.home));
    await endAttemptsOfHome(this.home);
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  async #startServer(failpoints: string | null): Promise<void> {
    const { HOLDFAST_FAILPOINTS: _own, ...env } = this.#shell.env;
    const signal = this.#shell.interrupted;
    const armed = failpoints === null ? env : { ...env, HOLDFAST_FAILPOINTS: failpoints };
    await startDetachedServer({ home: this.home, env: armed, port: 0, signal, wrap: this.#wrap });
  }

  /** Both requests have a key: where the server died over one of them it is sent again, and counts once. */
  async #submit(played: Case): Promise<JobView> {
    const witness = join(this.root, 'witness');
    const { repository, job } = played.describe(witness);
    const post = <T>(path: string, body: object): Promise<T> =>
      this.#throughDeath(() => this.#client.call<T>({ method: 'POST', path, body, idempotencyKey: `proof-${path}` }));
    await post('/v1/repositories', { name: 'proof', source: this.repository, ...repository });
    return post<JobView>('/v1/jobs', { repository: 'proof', ...job });
  }

  /** Repeats a request until a server answers; starts one where the last one is dead. */
  async #throughDeath<T>(request: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await request();
      } catch (error) {
        if (tries > 3 || !(await this.#isDead())) throw error;
        this.#kills++;
        await this.#startServer(null);
      }
    }
  }

  /** Whether the server is gone: a killed one closes its port a moment before it is. */
  async #isDead(): Promise<boolean> {
    const until = systemClock.monotonic() + DEATH_MS;
    while ((await findServerProcess(this.home))?.alive === true) {
      if (systemClock.monotonic() > until) return false;
      await delay(POLL_MS, this.#shell.interrupted);
    }
    return true;
  }

  async #awaitRest(job: JobView, dies: boolean): Promise<JobView> {
    const until = systemClock.monotonic() + PATIENCE_MS;
    let restingSince: number | null = null;
    for (;;) {
      const now = await this.#throughDeath(() => this.#client.get<JobView>(`/v1/jobs/${job.id}`));
      if (RESTING.includes(now.state)) {
        // A server that is to die after the last record may not be dead yet; one that never came by that point lives on.
        restingSince ??= systemClock.monotonic();
        if (!dies || this.#kills > 0 || systemClock.monotonic() - restingSince > DEATH_MS) return now;
      }
      if (systemClock.monotonic() > until) throw new Error(`job ${job.number} is ${now.state} and does not go on`);
      await delay(POLL_MS, this.#shell.interrupted);
    }
  }

  async #look(job: JobView): Promise<Seen> {
    const list = async <T>(what: string): Promise<T[]> =>
      (await this.#client.get<PageView<T>>(`/v1/jobs/${job.id}/${what}`)).items;
    const [attempts, gates, evidence] = [
      await list<AttemptView>('attempts'),
      await list<GateView>('gates'),
      await list<EvidenceView>('evidence'),
    ];
    return {
      result: {
        state: job.state,
        outcome: job.outcome,
        reason: job.reason,
        stage: job.stage,
        // The command of the one gate names this stage's own folder: two plays are compared without it.
        ledger: gates.map(
          ({ epoch, stage, gate, result }) =>
            `${epoch} ${stage === 'verify' ? 'verify' : `${stage} ${gate}`} ${result}`,
        ),
        finished: attempts.filter(({ state }) => state === 'finished').map(({ stage }) => stage),
        merged: await readOrNull(join(this.repository, 'answer')),
        moves: await this.#countMoves(),
      },
      starts: await this.#countStarts(),
      attempts,
      wrongEvidence: await this.#checkEvidence(job, evidence),
      kills: this.#kills,
    };
  }

  /** Lines of the reflog beyond the one that made the branch. */
  async #countMoves(): Promise<number> {
    const reflog = await readOrNull(join(this.repository, '.git', 'logs', 'refs', 'heads', 'main'));
    return reflog === null ? 0 : reflog.trimEnd().split('\n').length - 1;
  }

  async #countStarts(): Promise<Map<string, number>> {
    const starts = new Map<string, number>();
    const text = (await readOrNull(join(this.root, 'witness'))) ?? '';
    for (const line of text.split('\n').filter((one) => one !== '')) starts.set(line, (starts.get(line) ?? 0) + 1);
    return starts;
  }

  async #checkEvidence(job: JobView, evidence: readonly EvidenceView[]): Promise<string[]> {
    const wrong: string[] = [];
    for (const { sha256: hash } of evidence) {
      const bytes = await readFile(join(this.home, 'jobs', job.id, 'evidence', hash)).catch(() => null);
      if (bytes === null || sha256(bytes) !== hash) wrong.push(hash);
    }
    return wrong;
  }
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
