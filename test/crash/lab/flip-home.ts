/**
 * Flips one bit at a time in the files of a home beside its database, and starts a whole server on it: either something
 * says so (the start, its report, `doctor --deep`, a refusal), or everything that is served is as it was before.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DoctorCheck } from '../../../src/api/services.ts';
import { sha256 } from '../../../src/kernel/hash.ts';
import { messageOf } from '../../../src/kernel/result.ts';
import type { RecoveryReport } from '../../../src/lifecycle/report.ts';
import { until } from '../../support/poll.ts';
import { World, type JobView } from '../../support/world.ts';
import { TELL_LOOPBACK } from '../check-callbacks.ts';
import { WORK } from './agents.ts';
import { PART } from './least.ts';
import { measurePart, type PartResult } from './outcome.ts';
import { createRandom, pickOne } from './random.ts';
import { Trial, type Template } from './scenario.ts';

/** What is damaged, by kind; the first that fits. A kind has its share of the flips, however many files it has. */
const KINDS: readonly (readonly [name: string, path: RegExp])[] = [
  ['the configuration', /^holdfast\.config\.json$/],
  ['the token', /^token$/],
  ['the host id', /^host$/],
  ['the secret of callbacks', /^callback-secret\.json$/],
  ['server.json', /^server\.json$/],
  ['the statistics', /^statistics\.json$/],
  ['what retention knows', /^retention\.json$/],
  ['a staged file', /^jobs\/[^/]+\/staging\//],
  ['a transcript', /^jobs\/[^/]+\/transcript\.md$/],
  ['output', /^jobs\/[^/]+\/attempts\/\d+\/output$/],
  ['a record of an attempt', /^jobs\/[^/]+\/attempts\/\d+\/(spec\.json|claim|agent\.json|exit\.json|limits\.json)$/],
  ['a heartbeat', /^jobs\/[^/]+\/attempts\/\d+\/sentinel\.json$/],
  ['an object of a mirror', /^repos\/[^/]+\/mirror\.git\/objects\//],
  ['a name in a mirror', /^repos\/[^/]+\/mirror\.git\/(HEAD|packed-refs|refs\/.*)$/],
];

/** Nobody can tell a person's own file from a damaged one that still makes sense. */
const UNDETECTABLE = 'the configuration';

/** Everything a client can see of a home, and every word about damage. */
interface Seen {
  served: Record<string, string>;
  complaints: string[];
}

interface Change {
  kind: string;
  path: string;
  bit: number;
}

/** Damages a home as often as asked for, each time under a server of its own. */
export function flipHome(what: {
  template: Template;
  flips: number;
  seed: number;
  lanes: number;
}): Promise<PartResult> {
  const { template, flips, seed, lanes } = what;
  return measurePart(PART.homeFlips, async (result) => {
    Object.assign(result.counts, { noticed: 0, harmless: 0, 'undetectable by design': 0, silent: 0 });
    // A home for each lane: servers on copies of one home would take each other's children for their own.
    const share = Math.ceil(flips / lanes);
    await Promise.all(
      Array.from({ length: Math.min(lanes, flips) }, async (_, lane) => {
        await using trial = await prepareHome(template);
        const before = await look(trial, null);
        const first = lane * share;
        const random = createRandom(seed + lane);
        for (const change of chooseChanges(trial.world.home.root, random, { first, count: share })) {
          const { outcome, why } = await judge(trial, before, change);
          result.tried++;
          result.counts[outcome] = (result.counts[outcome] ?? 0) + 1;
          if (outcome !== 'silent') continue;
          const replay = `npm run test:crash -- --only home-flips --seed ${seed}`;
          result.violations.push({ what: `${change.kind}, ${change.path}`, why: `bit ${change.bit}: ${why}`, replay });
        }
      }),
    );
  });
}

/** A home with one of everything; no server holds it any more. */
async function prepareHome(template: Template): Promise<Trial> {
  const trial = new Trial(await World.copy(template.home, template.repository));
  const { world } = trial;
  await world.configure({ callbacks: TELL_LOOPBACK, limits: { agentsPerHost: 2 } });
  await world.start();
  await trial.submit('good', WORK, { prompt: 'do it well' });
  const twice = '[ -e "$WITNESS/second" ] || { : >"$WITNESS/second"; echo new >new.txt; kill -9 $$; }';
  await trial.submit('twice', `${twice}\n${WORK}`);
  for (const { id } of trial.jobs.values()) await world.awaitState(id, 'completed');
  // What was counted is written when a server stops.
  world.server?.child.kill('SIGTERM');
  await world.awaitEnd();
  await world.start();
  const { id } = await trial.submit('held', 'cat README.md data.txt | sha256sum', { start: false });
  await world.upload(id, 'data.txt', Buffer.from(Array.from({ length: 400 }, (_, n) => sha256(`${n}`)).join('\n')));
  await world.kill();
  return trial;
}

/** `first` is the place of the first one among all of a run: kinds take turns. */
function chooseChanges(
  root: string,
  random: () => number,
  { first, count }: { first: number; count: number },
): Change[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => {
    const about = statSync(join(root, path), { throwIfNoEntry: false });
    return about?.isFile() === true && about.size > 0;
  });
  const byKind = KINDS.map(([kind, pattern]) => ({ kind, paths: files.filter((path) => pattern.test(path)) }));
  const empty = byKind.find(({ paths }) => paths.length === 0);
  if (empty !== undefined) throw new Error(`the home has no file for ${empty.kind}`);
  return Array.from({ length: count }, (_, n) => {
    const { kind, paths } = byKind[(first + n) % byKind.length] ?? { kind: '', paths: [] };
    const path = pickOne(random, paths);
    return { kind, path, bit: Math.floor(random() * statSync(join(root, path)).size * 8) };
  });
}

async function judge(trial: Trial, before: Seen, change: Change): Promise<{ outcome: string; why: string }> {
  const after = await look(trial, change);
  const known = new Set(before.complaints);
  const news = after.complaints.filter((one) => !known.has(one));
  if (news.length > 0) return { outcome: 'noticed', why: news.join(' | ') };
  const changed = Object.keys({ ...before.served, ...after.served }).filter(
    (key) => before.served[key] !== after.served[key],
  );
  if (changed.length > 0) {
    const why = changed.map((key) => `${key} was ${before.served[key]}, is ${after.served[key]}`).join('; ');
    return { outcome: 'silent', why };
  }
  return { outcome: change.kind === UNDETECTABLE ? 'undetectable by design' : 'harmless', why: '' };
}

/** Starts a server on a copy of the home, damaged or not, and looks at everything it serves. */
async function look({ world: { home, repository }, jobs }: Trial, change: Change | null): Promise<Seen> {
  await using world = await World.copy(home.root, repository);
  if (change !== null) flipBit(join(world.home.root, change.path), change.bit);
  const token = await readFileOf(home.tokenFile);
  const server = await world.start({ waitReady: false });
  const ready = await Promise.race([server.ended.then(() => null), world.awaitReady(server).catch(() => null)]);
  if (ready === null) return { served: {}, complaints: [`the start was refused: ${await world.readLog()}`] };
  const seen: Seen = { served: {}, complaints: [] };
  if ((await readFileOf(world.home.tokenFile)) !== token) seen.complaints.push('the token was made anew');
  await lookAtJobs(world, [...jobs.values()], seen);
  await lookAtMore(world, seen);
  await lookAtReport(world, seen);
  // Each look has a home of its own, with another path.
  seen.complaints = seen.complaints.map((one) => one.replaceAll(world.root, ''));
  return seen;
}

function flipBit(path: string, bit: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  writeFileSync(path, bytes);
}

async function readFileOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => messageOf(error));
}

/** A call as a client sees it: what was served, or a refusal, which is a complaint. */
async function ask(world: World, path: string, seen: Seen): Promise<unknown> {
  const { status, body } = await world.api('GET', path);
  if (status >= 400) seen.complaints.push(`GET ${path}: ${status} ${JSON.stringify(body)}`);
  return status < 400 ? body : null;
}

/** Fields that differ between two looks at the same home, because time goes by. */
const PASSING = new Set(['updatedAt', 'estimate', 'queuePosition', 'throughSeq']);

function steady(value: unknown): string {
  return JSON.stringify(value, (key, one: unknown) => (PASSING.has(key) ? undefined : one));
}

async function lookAtJobs(world: World, jobs: readonly JobView[], seen: Seen): Promise<void> {
  for (const [index, { id }] of jobs.entries()) {
    const paths = [`/v1/jobs/${id}`, `/v1/jobs/${id}/attempts`, `/v1/jobs/${id}/files`];
    // A held job has none of these yet.
    if (index < 2) paths.push(`/v1/jobs/${id}/output`, `/v1/jobs/${id}/transcript`, `/v1/jobs/${id}/diff`);
    for (const path of paths)
      seen.served[path] = sha256(steady(await ask(world, path, seen)).replaceAll(world.root, ''));
    const { state, blocker } = await world.getJob(id);
    if (state === 'quarantined' || blocker !== null) seen.complaints.push(`job ${id} is ${state}: ${blocker}`);
  }
}

/** What is made of the mirror and of staged files, what is kept in the mirror, and what callbacks are signed with. */
async function lookAtMore(world: World, seen: Seen): Promise<void> {
  seen.served['the statistics'] = await until('what was missed is counted', async () => {
    const counted = (await ask(world, '/v1/statistics', seen)) as { complete: boolean } | null;
    return counted?.complete === false ? null : steady(counted);
  });
  const { items } = (await world.api('GET', '/v1/jobs')).body as { items: JobView[] };
  const held = items.find(({ state }) => state === 'created');
  if (held === undefined) seen.complaints.push('the held job is not there');
  else {
    await world.api('POST', `/v1/jobs/${held.id}/start`);
    const { state, blocker } = await world.awaitState(
      held.id,
      'completed',
      'failed',
      'blocked',
      'quarantined',
      'waiting',
    );
    if (state === 'completed') seen.served['what the agent read'] = await world.readOutput(held.id);
    else seen.complaints.push(`the held job is ${state}: ${blocker}`);
  }
  seen.served['the secret'] = steady(await ask(world, '/v1/callbacks/secret', seen));
  for (const name of await readdir(world.home.repos)) {
    const trees = spawnSync('git', ['for-each-ref', 'refs/holdfast'], {
      cwd: world.home.mirror(name),
      encoding: 'utf8',
    });
    seen.served[`trees of ${name}`] = trees.stdout + trees.stderr;
    const fsck = spawnSync('git', ['fsck', '--no-dangling'], { cwd: world.home.mirror(name), encoding: 'utf8' });
    seen.served[`fsck of ${name}`] = String(fsck.status);
  }
}

/** What the report, once history is checked, the log and `doctor --deep` say. */
async function lookAtReport(world: World, seen: Seen): Promise<void> {
  const report: RecoveryReport = await until('history is checked', async () => {
    const found = await world.readReport();
    return found.corruption.complete ? found : null;
  });
  for (const { kind, item, why } of report.corruption.items ?? []) seen.complaints.push(`${kind} ${item}: ${why}`);
  seen.complaints.push(...report.degraded, ...report.warnings);
  const { checks } = (await world.api('GET', '/v1/doctor?deep=true')).body as { checks: DoctorCheck[] };
  for (const check of checks) if (!check.ok) seen.complaints.push(`doctor: ${check.name}`);
}
